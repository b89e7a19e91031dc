"""Items of the queue and what comes of them: plain data, known to stages and to the queue alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from data_miner.config.model import Stage
from data_miner.queue.records import Record


class State(StrEnum):
    """Where an item stands."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    #: finished without a result, for a reason that is not an error, such as a blocked hashtag
    SKIPPED = "skipped"
    #: a dead letter: failed for good, or too often
    DEAD = "dead"


def params_hash(params: Mapping[str, Any]) -> str:
    """Hash parameters, 16 hexadecimal digits, the same for the same values in any order."""
    text = json.dumps(params, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mapping(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@dataclass(frozen=True, kw_only=True)
class NewItem:
    """An item to be added. Project, stage, key and parameters say whether it exists already."""

    project: str
    stage: Stage
    key: str
    params: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] = field(default_factory=dict)
    site: str | None = None
    priority: int = 0

    @property
    def params_hash(self) -> str:
        """The hash that stands for the parameters in the unique key."""
        return params_hash(self.params)


class Item(NamedTuple):
    """A leased item, as a worker sees it. A tuple, since many are made at once."""

    id: int
    #: of the stage, project and site
    lane: int
    project: str
    key: str
    #: JSON, as the database has it
    params_text: str
    params_hash: str
    #: JSON, as the database has it
    payload_text: str
    site: str | None
    #: this attempt's number, from 1
    attempts: int
    blocks: int
    #: which version of the project's configuration is current
    config_hash: str
    stage: Stage
    lease_token: UUID

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that change the result."""
        return _mapping(self.params_text)

    @property
    def payload(self) -> dict[str, Any]:
        """What the stage needs to know besides."""
        return _mapping(self.payload_text)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage made of an item: committed as a whole, or not at all."""

    #: kept with the item, for status and for people
    result: dict[str, Any] = field(default_factory=dict)
    #: set if the item was skipped: why
    skipped: str | None = None
    records: list[Record] = field(default_factory=list)
    next_items: list[NewItem] = field(default_factory=list)

    @property
    def state(self) -> State:
        """The state in which the item ends."""
        return State.DONE if self.skipped is None else State.SKIPPED
