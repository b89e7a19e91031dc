"""Threads that prepare what comes next while this is worked on, such as reading pictures for a model."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

#: of the control group (version 2) that a container sees as its own
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
#: with more, pictures come hardly faster: sixteen threads decode as many a second as eight
_MOST = 8


class Threads:
    """As many threads as there are processors for this process; a context manager.

    Args:
        count: of them, if it is to be another.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or min(_MOST, cpus())
        self._pool = ThreadPoolExecutor(self.count, "ahead")

    def __enter__(self) -> Self:
        """Return the threads."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what the threads are at, and leave the rest."""
        self._pool.shutdown(cancel_futures=True)

    def ahead(
        self, function: Callable[[Given], Made], things: Iterable[Given], *, most: int | None = None
    ) -> Iterator[Made]:
        """Yield what a function makes of things, in their order; the next few are made meanwhile.

        Args:
            function: is called in a thread.
            things: are asked for in the caller's thread, as they are needed.
            most: of the next ones that are made at a time, where memory allows fewer than there are threads.
        """
        most = self.count if most is None else min(most, self.count)
        coming: deque[Future[Made]] = deque()
        for thing in things:
            coming.append(self._pool.submit(function, thing))
            if len(coming) > most:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def batches(things: Iterable[Given], size: int) -> Iterator[list[Given]]:
    """Yield things in lists of a size; the last may be shorter."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


def cpus() -> int:
    """Return how many processors this process may use: all, or what the limit of its container allows."""
    found = len(os.sched_getaffinity(0))
    try:
        quota, period = CPU_MAX.read_text("utf-8").split()
    except OSError:
        return found
    return found if quota == "max" else max(1, min(found, -(-int(quota) // int(period))))
