"""What a stage gets to work with. A stage is a function from a job to an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data_miner.config import AppConfig
from data_miner.queue.items import Item, Outcome
from data_miner.store import Store


class Tick(Protocol):
    """Called often during long work: shows that it moves, and stops it when it should stop."""

    def __call__(self, moved_bytes: int = 0) -> None:
        """Note progress.

        Raises:
            StopWorkError: the item is not wanted from us any more.
        """


@dataclass(frozen=True, kw_only=True)
class Job:
    """One item with everything that its stage may use."""

    item: Item
    #: the configuration of the item's project; what changes results comes from ``item.params`` instead
    config: AppConfig
    store: Store
    #: the item's own directory for unfinished work, made when first asked for; survives a failed attempt
    workspace: Callable[[], Path]
    tick: Tick


class StopWorkError(BaseException):
    """Unwinds a stage whose result is not wanted: shutting down, or the lease is lost.

    Not an Exception, so that no library takes it for a failure of its own.
    """


#: a stage of the pipeline
StageFunction = Callable[[Job], Outcome]
