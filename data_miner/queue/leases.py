"""The queue's operations. Each is one short transaction on the connection that it is given.

At least once, with idempotent effects: a claim is a lease, and only a live lease may finish an item.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any
from uuid import UUID, uuid4

from psycopg import Cursor
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from data_miner.config.model import BreakerConfig, QueueConfig, Stage
from data_miner.db.connect import Connection
from data_miner.db.queries import queries
from data_miner.db.results import store_records
from data_miner.errors import MinerError
from data_miner.queue.items import Item, NewItem, Outcome, State

_SQL = queries("queue")

#: items that one statement adds, so that it takes a second and not longer than a statement may
_AT_ONCE = 10_000


class LeaseLostError(MinerError):
    """The lease ran out: the item belongs to someone else, and this result is not wanted."""


def enqueue(connection: Connection, items: Iterable[NewItem]) -> int:
    """Add items that do not exist yet and return how many were new."""
    rows = list(items)
    if len(rows) > _AT_ONCE:  # in the same order for all, so that none wait for each other
        rows.sort(key=lambda row: (row.project, row.stage.value, row.key))
    return sum(_enqueue(connection, rows[at : at + _AT_ONCE]) for at in range(0, len(rows), _AT_ONCE))


def claim(
    connection: Connection, stage: Stage, *, worker: str, node: str, limit: int, lease_s: float
) -> list[Item]:
    """Lease up to ``limit`` ready items of a stage; all of them share one lease token."""
    token = uuid4()
    values = {
        "stage": stage.value,
        "worker": worker,
        "node": node,
        "limit": limit,
        "lease_s": lease_s,
        "token": token,
    }
    rows = _cursor(connection).execute(_SQL["claim"], values, prepare=True).fetchall()
    return [Item._make((*row, stage, token)) for row in rows]


def extend(connection: Connection, items: Sequence[Item], *, lease_s: float) -> set[int]:
    """Renew the leases of items claimed together; returns the ids of those that are still ours."""
    values = {"token": _token(items), "lease_s": lease_s}
    return {item.id for item in items} & set(_ids(connection, "extend", values))


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
    items = [item for item, _ in outcomes]
    results = [outcome for _, outcome in outcomes]
    values = {
        "token": _token(items),
        "ids": _numbers([item.id for item in items]),
        "lanes": _numbers([item.lane for item in items]),
        # where all are simply done nothing is sent, which is faster
        "states": None,
        "errors": None,
        "results": None,
    }
    if any(outcome.skipped is not None for outcome in results):
        values["states"] = [outcome.state.value for outcome in results]
        values["errors"] = [outcome.skipped for outcome in results]
    if any(outcome.result for outcome in results):
        values["results"] = [Jsonb(outcome.result) for outcome in results]
    alone = not any(outcome.records or outcome.next_items for outcome in results)
    with nullcontext() if alone else connection.transaction():
        finished = set(_ids(connection, "finish", values))
        following: list[NewItem] = []
        # in the same order for all, so that none wait for each other
        for item, outcome in () if alone else sorted(outcomes, key=_first_video):
            if item.id in finished:
                following += store_records(connection, item, outcome.records)
                following += outcome.next_items
        enqueue(connection, following)
    if len(finished) < len(outcomes):
        finished |= {row["task"] for row in connection.execute(_SQL["finished_before"], values).fetchall()}
    return finished


def fail(connection: Connection, item: Item, error: str, *, queue: QueueConfig) -> State:
    """Give an item back after an error; returns ready, or dead when its attempts are used up.

    Raises:
        LeaseLostError: the item is not ours any more.
    """
    values = {
        "error": error,
        "max_attempts": queue.max_attempts,
        "backoff_s": queue.backoff_s,
        "max_backoff_s": queue.max_backoff_s,
    }
    return _settle_one(connection, item, "note_failed", values)


def bury(connection: Connection, item: Item, error: str) -> State:
    """Make an item a dead letter.

    Raises:
        LeaseLostError: the item is not ours any more.
    """
    return _settle_one(connection, item, "note_hopeless", {"error": error})


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
        values = {"error": error, "max_blocks": breaker.max_blocks}
        return _settle_one(connection, item, "note_blocked", values)


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
    values = {"error": reason, "delay_s": delay_s}
    return set(_settle(connection, items, "note_released", values, only_alive=False))


def reap(connection: Connection, *, max_attempts: int) -> dict[int, State]:
    """Take back the items of workers that are gone; returns their new states by id."""
    states: dict[int, State] = {}
    with connection.transaction():
        for held in connection.execute(_SQL["expired"]).fetchall():
            states |= _put_back(connection, "note_lost", {**held, "max_attempts": max_attempts})
    return states


def take_back_all(connection: Connection, *, max_attempts: int) -> dict[int, State]:
    """Take back all items, where it is certain that nobody works on them; returns their new states by id."""
    with connection.transaction():
        connection.execute(_SQL["expire"])
        states: dict[int, State] = {}
        while taken := reap(connection, max_attempts=max_attempts):  # which takes a part at a time
            states |= taken
        return states


def given_back(connection: Connection, project: str) -> list[str]:
    """Return why items of a project were given back untried: what their worker needs is away."""
    return [row["error"] for row in connection.execute(_SQL["given_back"], {"project": project}).fetchall()]


def retry(
    connection: Connection, project: str, stage: Stage | None = None, ids: Sequence[int] | None = None
) -> int:
    """Make a project's dead letters ready again, all or these, and return how many there were."""
    values = {
        "project": project,
        "stage": stage.value if stage else None,
        "ids": None if ids is None else list(ids),
    }
    row = connection.execute(_SQL["retry"], values).fetchone()
    return int(row["count"]) if row else 0


def unfinished(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Return which of these items may still be worked on."""
    return {row["id"] for row in connection.execute(_SQL["unfinished"], {"ids": list(ids)}).fetchall()}


def _enqueue(connection: Connection, rows: Sequence[NewItem]) -> int:
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
    return len(_ids(connection, "enqueue", values))


def _settle_one(connection: Connection, item: Item, query: str, values: dict[str, Any]) -> State:
    states = _settle(connection, [item], query, values, only_alive=True)
    if item.id not in states:
        raise LeaseLostError(f"item {item.id}: the lease ran out")
    return states[item.id]


def _settle(
    connection: Connection, items: Sequence[Item], query: str, values: dict[str, Any], *, only_alive: bool
) -> dict[int, State]:
    """Take items out of their lease and put them where a query says."""
    wanted = {"token": _token(items), "ids": [item.id for item in items], "only_alive": only_alive}
    with connection.transaction():
        held = connection.execute(_SQL["let_go"], wanted).fetchone()
        return _put_back(connection, query, {**values, **held}) if held and held["ids"] else {}


def _put_back(connection: Connection, query: str, values: dict[str, Any]) -> dict[int, State]:
    """Note what became of items that nobody holds now; they are dead or wait again."""
    rows = connection.execute(_SQL[query], values).fetchall()
    states = {row["id"]: State.DEAD if row["dead"] else State.READY for row in rows}
    for state, placing in ((State.DEAD, "end_dead"), (State.READY, "let_wait")):
        if ids := [number for number, known in states.items() if known is state]:
            connection.execute(_SQL[placing], {"ids": ids})
    return states


def _token(items: Sequence[Item]) -> UUID:
    tokens = {item.lease_token for item in items}
    if len(tokens) != 1:
        raise ValueError(f"expected items of one claim, got {len(tokens)} lease tokens")
    return tokens.pop()


def _first_video(pair: tuple[Item, Outcome]) -> str:
    records = pair[1].records
    return records[0].sha256 if records else ""


def _numbers(values: Sequence[int]) -> str:
    """Write an array as Postgres does, which is faster than to let the driver look at each number."""
    return "{" + ",".join(map(str, values)) + "}"


def _ids(connection: Connection, query: str, values: dict[str, Any]) -> list[int]:
    """Return the numbers that a query returns as one array, or nothing if it has no row."""
    row = _cursor(connection).execute(_SQL[query], values, prepare=True).fetchone()
    return row[0] if row else []


def _cursor(connection: Connection) -> Cursor[tuple[Any, ...]]:
    """Return a cursor for what there is much of."""
    return connection.cursor(binary=True, row_factory=tuple_row)
