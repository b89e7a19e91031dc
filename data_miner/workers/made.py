"""Results that are not acknowledged yet: those of short items wait a moment for each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from data_miner.queue.items import Item, Outcome
from data_miner.queue.records import FramesCompared
from data_miner.workers.job import StageFunction

#: a result waits this long at most, also while the next item is worked on: a crash costs no more work than it
HOLD_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a stage made of an item."""

    item: Item
    outcome: Outcome
    function: StageFunction
    #: how often the result was out of date before
    again: int
    elapsed_s: float
    #: for the log
    extra: dict[str, Any]
    at: float = field(default_factory=time.monotonic)

    @property
    def may_wait(self) -> bool:
        """Whether the next item may begin before this is acknowledged: not if it compares with this one."""
        return not any(isinstance(record, FramesCompared) for record in self.outcome.records)


def due(made: Sequence[Made]) -> bool:
    """Whether to acknowledge them now rather than with the next ones."""
    return any(not one.may_wait or time.monotonic() - one.at >= HOLD_S for one in made)
