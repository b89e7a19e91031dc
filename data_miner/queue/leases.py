"""The queue's operations. Each is one short transaction on the connection that it is given.

At least once, with idempotent effects: a claim is a lease, and only a live lease may finish an item.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from data_miner.config.model import BreakerConfig, QueueConfig, Stage
from data_miner.db.connect import Connection
from data_miner.db.queries import queries
from data_miner.db.results import store_records
from data_miner.errors import MinerError
from data_miner.queue.items import Item, NewItem, Outcome, State

_SQL = queries("queue")


class LeaseLostError(MinerError):
    """The lease ran out: the item belongs to someone else, and this result is not wanted."""


def enqueue(connection: Connection, items: Iterable[NewItem]) -> int:
    """Add items that do not exist yet and return how many were new."""
    rows = list(items)
    if not rows:
        return 0
    values = {
        "project": [row.project for row in rows],
        "stage": [row.stage.value for row in rows],
        "key": [row.key for row in rows],
        "params": [Jsonb(dict(row.params)) for row in rows],
        "params_hash": [row.params_hash for row in rows],
        "payload": [Jsonb(dict(row.payload)) for row in rows],
        "site": [row.site for row in rows],
        "priority": [row.priority for row in rows],
    }
    return len(connection.execute(_SQL["enqueue"], values).fetchall())


def claim(
    connection: Connection, stage: Stage, *, worker: str, node: str, limit: int, lease_s: float
) -> list[Item]:
    """Lease up to ``limit`` ready items of a stage; all of them share one lease token."""
    values = {
        "stage": stage.value,
        "worker": worker,
        "node": node,
        "limit": limit,
        "lease_s": lease_s,
        "token": uuid4(),
    }
    rows = connection.execute(_SQL["claim"], values).fetchall()
    return [Item(**{**row, "stage": Stage(row["stage"])}) for row in rows]


def extend(connection: Connection, items: Sequence[Item], *, lease_s: float) -> set[int]:
    """Renew the leases of items claimed together; returns the ids of those that are still ours."""
    rows = connection.execute(_SQL["extend"], {**_held(items), "lease_s": lease_s}).fetchall()
    return {row["id"] for row in rows}


def complete(connection: Connection, outcomes: Sequence[tuple[Item, Outcome]]) -> set[int]:
    """Store results, acknowledge and add the next stage's items: all in one transaction.

    Safe to call again when its answer was lost with the connection.

    Args:
        connection: in autocommit mode.
        outcomes: items claimed together, each with what came of it.

    Returns:
        The ids that are now finished by us. The others' leases were lost, and nothing of theirs is stored.

    Raises:
        StaleError: a result was made from what has changed meanwhile; nothing is stored.
    """
    values = {
        **_held([item for item, _ in outcomes]),
        "states": [outcome.state.value for _, outcome in outcomes],
        "results": [Jsonb(outcome.result) for _, outcome in outcomes],
        "errors": [outcome.skipped for _, outcome in outcomes],
    }
    with connection.transaction():
        finished = {row["id"] for row in connection.execute(_SQL["finish"], values).fetchall()}
        following: list[NewItem] = []
        for item, outcome in outcomes:
            if item.id in finished:
                following += store_records(connection, item, outcome.records)
                following += outcome.next_items
        enqueue(connection, following)
        if len(finished) < len(outcomes):
            finished |= {row["id"] for row in connection.execute(_SQL["finished_before"], values).fetchall()}
    return finished


def fail(connection: Connection, item: Item, error: str, *, queue: QueueConfig) -> State:
    """Give an item back after an error; returns ready, or dead when its attempts are used up.

    Raises:
        LeaseLostError: the item is not ours any more.
    """
    values = {
        **_one(item, error),
        "max_attempts": queue.max_attempts,
        "backoff_s": queue.backoff_s,
        "max_backoff_s": queue.max_backoff_s,
    }
    return _new_state(connection, "fail", values)


def bury(connection: Connection, item: Item, error: str) -> State:
    """Make an item a dead letter.

    Raises:
        LeaseLostError: the item is not ours any more.
    """
    return _new_state(connection, "bury", _one(item, error))


def block(connection: Connection, item: Item, error: str, *, site: str, breaker: BreakerConfig) -> State:
    """Leave a site alone for a while and give its item back without burning the attempt.

    Raises:
        LeaseLostError: the item is not ours any more.
    """
    with connection.transaction():
        pause = {
            "site": site,
            "reason": error,
            "pause_s": breaker.pause_s,
            "max_pause_s": breaker.max_pause_s,
        }
        connection.execute(_SQL["block_site"], pause)
        return _new_state(connection, "block_item", {**_one(item, error), "max_blocks": breaker.max_blocks})


def unblock_site(connection: Connection, site: str) -> None:
    """Note that a site answers again."""
    connection.execute(_SQL["unblock_site"], {"site": site})


def release(
    connection: Connection, items: Sequence[Item], reason: str | None = None, *, delay_s: float | None = None
) -> set[int]:
    """Give items back without burning the attempt; returns the ids that were still ours.

    Args:
        connection: in autocommit mode.
        items: of one claim.
        reason: why, for whoever looks.
        delay_s: seconds in which others come first; None for at once, in the place that they had.
    """
    values = {**_held(items), "error": reason, "delay_s": delay_s}
    rows = connection.execute(_SQL["release"], values).fetchall()
    return {row["id"] for row in rows}


def reap(connection: Connection, *, max_attempts: int) -> dict[int, State]:
    """Take back the items of workers that are gone; returns their new states by id."""
    rows = connection.execute(_SQL["reap"], {"max_attempts": max_attempts}).fetchall()
    return {row["id"]: State(row["state"]) for row in rows}


def take_back_all(connection: Connection, *, max_attempts: int) -> dict[int, State]:
    """Take back all items, where it is certain that nobody works on them; returns their new states by id."""
    with connection.transaction():
        connection.execute(_SQL["expire"])
        return reap(connection, max_attempts=max_attempts)


def given_back(connection: Connection, project: str) -> list[str]:
    """Return why items of a project were given back untried: what their worker needs is away."""
    return [row["error"] for row in connection.execute(_SQL["given_back"], {"project": project}).fetchall()]


def retry(connection: Connection, project: str, stage: Stage | None = None) -> int:
    """Make a project's dead letters ready again and return how many there were."""
    values = {"project": project, "stage": stage.value if stage else None}
    return len(connection.execute(_SQL["retry"], values).fetchall())


def unfinished(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Return which of these items may still be worked on."""
    return {row["id"] for row in connection.execute(_SQL["unfinished"], {"ids": list(ids)}).fetchall()}


def _held(items: Sequence[Item]) -> dict[str, Any]:
    tokens = {item.lease_token for item in items}
    if len(tokens) != 1:
        raise ValueError(f"expected items of one claim, got {len(tokens)} lease tokens")
    return {"ids": [item.id for item in items], "token": tokens.pop()}


def _one(item: Item, error: str) -> dict[str, Any]:
    return {"id": item.id, "token": item.lease_token, "error": error}


def _new_state(connection: Connection, query: str, values: dict[str, Any]) -> State:
    row = connection.execute(_SQL[query], values).fetchone()
    if row is None:
        raise LeaseLostError(f"item {values['id']}: the lease ran out")
    return State(row["state"])
