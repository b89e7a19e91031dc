"""How long the API, or what it leads to, is away, as a client sees it that asks again and again."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from miner_cluster.kube.api import Api, ApiError, KubeError

#: pause between two requests
POLL_S = 0.1
#: the same for kubectl
KUBECTL_POLL_S = 2.0
#: after which a client gives up a request and asks anew; a server that lost its power closes no connection
ANSWER_S = 1.0
_PATH = "/api/v1/namespaces/default/configmaps"


@dataclass
class Outages:
    """When requests were answered, in order, and from when to when they were made, by time.monotonic."""

    began: float
    answered: list[float] = field(default_factory=list)
    ended: float | None = None
    errors: int = 0

    def longest_s(self) -> float:
        """The longest time without an answer; what was not answered until the end counts up to it."""
        ended = time.monotonic() if self.ended is None else self.ended
        times = [self.began, *self.answered, ended]
        return max(b - a for a, b in itertools.pairwise(times))


@dataclass
class Client:
    """Reads and writes at the address of the kubeconfig, each over and over by a connection of its own."""

    kubeconfig: Path
    reads: Outages
    writes: Outages
    ended: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Ask for what only a majority of etcd can answer."""
        self._again(self.reads, lambda api, _: api.raw("GET", "/api/v1/namespaces/default"))

    def write(self) -> None:
        """Change an object."""
        self._again(
            self.writes,
            lambda api, number: api.raw(
                "PATCH",
                f"{_PATH}/outage",
                {"metadata": {"annotations": {"number": str(number)}}},
                content="application/merge-patch+json",
            ),
        )

    def _again(self, seen: Outages, ask: Callable[[Api, int], bytes]) -> None:
        with contextlib.closing(Api(self.kubeconfig, timeout_s=ANSWER_S)) as api:
            for number in itertools.count():
                if self.ended.wait(POLL_S):
                    return
                try:
                    ask(api, number)
                except KubeError:
                    seen.errors += 1
                else:
                    seen.answered.append(time.monotonic())


@contextlib.contextmanager
def client(kubeconfig: Path) -> Iterator[Client]:
    """A client at work within the block; the object that it changes is there and goes afterwards."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "outage"}}
    with contextlib.closing(Api(kubeconfig)) as api, contextlib.suppress(ApiError):
        api.raw("POST", _PATH, body)
    made = Client(kubeconfig, Outages(time.monotonic()), Outages(time.monotonic()))
    threads = [threading.Thread(target=ask) for ask in (made.read, made.write)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.reads.ended = made.writes.ended = time.monotonic()
        made.ended.set()
        for thread in threads:
            thread.join()
        # By then the kubeconfig may name another address.
        with contextlib.closing(Api(kubeconfig)) as api:
            api.raw("DELETE", f"{_PATH}/outage")


@contextlib.contextmanager
def asking(ask: Callable[[], object]) -> Iterator[Outages]:
    """Ask with kubectl again and again within the block, which costs more and so is done less often."""
    seen, ended = Outages(time.monotonic()), threading.Event()

    def again() -> None:
        while not ended.wait(KUBECTL_POLL_S):
            try:
                ask()
            except (subprocess.SubprocessError, json.JSONDecodeError):
                seen.errors += 1
            else:
                seen.answered.append(time.monotonic())

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield seen
    finally:
        seen.ended = time.monotonic()
        ended.set()
        thread.join()
