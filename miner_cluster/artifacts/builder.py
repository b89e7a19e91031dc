"""Making several artifacts, two at a time, until all are there or the first one fails."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType

from miner_cluster.artifacts.recipe import Recipe
from miner_cluster.artifacts.store import Artifact, Store

AT_A_TIME = 2
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def ensure_all(store: Store, recipes: Sequence[Recipe]) -> list[str]:
    """Make what is not there, and return its names.

    Raises:
        ArtifactError: one can't be made; the others are given up.
        KeyboardInterrupt: as when the user presses Ctrl-C, also where a signal asks to end.
    """
    wanted = [recipe for recipe in recipes if store.find(recipe) is None]
    with _signals_interrupt(), ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            _finish([pool.submit(store.ensure, recipe) for recipe in wanted])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            store.commands.cancel()
            raise
    return [recipe.name for recipe in wanted]


def _finish(futures: list[Future[Artifact]]) -> None:
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let signals that ask to end do what Ctrl-C does; they can be caught in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
