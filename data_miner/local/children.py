"""The processes of a local run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from data_miner.errors import MinerError

MODULE = "data_miner.local.child"
_MOST_STARTS = 5
#: a child that lived longer than this counts as if it had started for the first time
_LONG_S = 60.0
#: after the workers' own grace
_MORE_S = 10.0


@dataclass(kw_only=True)
class Child:
    """One process, started again when it dies."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    starts: int = 0
    started: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it; it gets no signal from the terminal, so that we decide when it ends."""
        self.starts, self.started = self.starts + 1, time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                self.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )


class Children:
    """Processes that live until the end of the context.

    Args:
        children: what to run.
        grace_s: how long the workers themselves may still work on their items.
    """

    def __init__(self, children: Sequence[Child], *, grace_s: float) -> None:
        self.children = children
        self._wait_s = grace_s + _MORE_S

    def __enter__(self) -> Self:
        """Start all."""
        for child in self.children:
            child.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask all to end, and end those that do not."""
        for child in self.children:
            if (stdin := _stdin(child)) is not None:
                with suppress(OSError):
                    stdin.close()
        deadline = time.monotonic() + self._wait_s
        for child in self.children:
            if child.process is not None:
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.0, deadline - time.monotonic()))
                _kill(child.process)

    def check(self) -> None:
        """Start again what has died.

        Raises:
            MinerError: it died too often; names its log.
        """
        for child in self.children:
            code = child.process.poll() if child.process else None
            if code is not None:
                if time.monotonic() - child.started > _LONG_S:
                    child.starts = 0
                if child.starts >= _MOST_STARTS:
                    reason = _last_line(child.log)
                    raise MinerError(
                        f"worker {child.name} ended with code {code} again: {reason}; see {child.log}"
                    )
                child.start()


def python(arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs a module in this Python."""
    return [sys.executable, "-m", *arguments]


def _stdin(child: Child) -> IO[bytes] | None:
    return child.process.stdin if child.process else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
