"""Taints of machines and what tolerates them, each written as kubectl does: ``key=value:effect``.

What stores, and what the first server alone can run, tolerates them without being asked; workers where
``tolerations`` says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_miner.config import KeyPath
from miner_cluster.config_model import Node, Worker

#: of Kubernetes' own; nobody is kept away by it who has to be on a server
CONTROL_PLANE = "node-role.kubernetes.io/control-plane:NoSchedule"
#: not obeyed at all costs
_PREFERENCE = "PreferNoSchedule"
_TEXT = re.compile(r"(?P<key>[^=:]+)(?:=(?P<value>[^:]*))?:(?P<effect>\w+)")


@dataclass(frozen=True, kw_only=True)
class Taint:
    """A taint; or what is tolerated, any value where that is None."""

    key: str
    value: str | None
    effect: str

    def __str__(self) -> str:
        """Return it as kubectl writes it."""
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


def parse(text: str) -> Taint:
    """Return a taint from its text, which the configuration's model has checked."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no taint")
    return Taint(**found.groupdict())


def toleration(text: str) -> dict[str, str]:
    """Return what a pod tolerates, as Kubernetes has it."""
    taint = parse(text)
    how = {"operator": "Exists"} if taint.value is None else {"operator": "Equal", "value": taint.value}
    return {"key": taint.key, **how, "effect": taint.effect}


def tolerations(*texts: Sequence[str]) -> list[dict[str, str]]:
    """Return what a pod tolerates, each once."""
    return [toleration(text) for text in dict.fromkeys(text for some in texts for text in some)]


def repels(taints: Sequence[str], tolerated: Sequence[str]) -> list[str]:
    """Return the taints of a machine that keep away a pod which tolerates others."""
    known = [parse(text) for text in tolerated]

    def harmless(taint: Taint) -> bool:
        return taint.effect == _PREFERENCE or any(
            (one.key, one.effect) == (taint.key, taint.effect)
            and (one.value is None or one.value == (taint.value or ""))
            for one in known
        )

    return [text for text in taints if not harmless(parse(text))]


def worker_tolerates(worker: Any) -> list[str]:
    """Return what a worker tolerates: one that is sent to some machines also what servers have."""
    return [*([] if worker.schedule_on == "all" else [CONTROL_PLANE]), *worker.tolerations]


def check(nodes: Mapping[str, Node], workers: Mapping[str, Worker]) -> Iterator[tuple[KeyPath, str, str]]:
    """Return what does not fit together: key, message and hint of each.

    Args:
        nodes: all machines.
        workers: all kinds of workers.
    """
    for name, node in nodes.items():
        path: KeyPath = ("cluster", "nodes", name, "taints")
        for (key, effect), count in Counter((t.key, t.effect) for t in map(parse, node.taints)).items():
            if count > 1:
                yield path, f"{key} with {effect} is there {count} times", "a machine has each once"
    if nodes and all(repels(node.taints, [CONTROL_PLANE]) for node in nodes.values()):
        yield (
            ("cluster", "nodes", list(nodes)[-1], "taints"),
            "every machine has one, so Kubernetes' own CoreDNS, which all need, would run nowhere",
            "leave one machine without",
        )
    for name, worker in workers.items():
        places = [node for node in nodes.values() if _may_run(worker, node)]
        kept_away = [repels(node.taints, worker_tolerates(worker)) for node in places]
        if places and all(kept_away):
            reasons = sorted({taint for some in kept_away for taint in some})
            yield (
                ("workers", name),
                f"every machine that it may run on keeps it away: {', '.join(reasons)}",
                "name one of these in tolerations, or take it from a machine",
            )


def _may_run(worker: Worker, node: Node) -> bool:
    if node.storage_only:
        return False
    return {"all": True, "master": node.role == "master", "gpu": node.gpu is not False}[worker.schedule_on]
