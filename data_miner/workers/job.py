"""What a stage gets to work with. A stage is a function from a job to an outcome."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from data_miner.config import AppConfig
from data_miner.models.provider import Models
from data_miner.queue.items import Item, Outcome
from data_miner.queue.records import FoundBox, KnownCandidate, Scores
from data_miner.store import Store


class Tick(Protocol):
    """Called often during long work: shows that it moves, and stops it when it should stop."""

    def __call__(self, moved_bytes: int = 0) -> None:
        """Note progress.

        Raises:
            StopWorkError: the item is not wanted from us any more.
        """


class Findings(Protocol):
    """What was found before in the item's project."""

    def scores(self, video: str, *, frames_hash: str, scores_hash: str) -> Scores | None:
        """Return the kept scores of a video's frames, if there are any."""

    def passed(self, video: str, *, params_hash: str) -> list[int]:
        """Return the times in ms of the frames that passed the filter."""

    def candidates(self, scope: str, *, after: int) -> list[KnownCandidate]:
        """Return the candidates of a dedup scope with numbers above ``after``, in their order."""

    def raw_boxes(
        self, video: str, *, frames_hash: str, raw_hash: str, times_ms: Sequence[int]
    ) -> dict[int, list[FoundBox]]:
        """Return the kept boxes of frames by time, of those that were looked at before."""


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
    models: Models
    findings: Findings
    #: for what a stage wants to find again with the worker's next item; empty when the worker starts
    memory: MutableMapping[str, Any]


class StopWorkError(BaseException):
    """Unwinds a stage whose result is not wanted: shutting down, or the lease is lost.

    Not an Exception, so that no library takes it for a failure of its own.
    """


#: a stage of the pipeline
StageFunction = Callable[[Job], Outcome]
