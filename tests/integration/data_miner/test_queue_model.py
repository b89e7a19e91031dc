"""Any order of the queue's operations, against a model of what the queue should then look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.db.projects import save_project
from data_miner.queue.items import Item, NewItem, Outcome, State
from data_miner.queue.leases import (
    LeaseLostError,
    block,
    bury,
    complete,
    enqueue,
    extend,
    fail,
    reap,
    release,
    retry,
)
from data_miner.queue.pauses import pause, resume

from .factories import expire, let_wait_until, make_config, take

CONFIG = make_config()
MAX_ATTEMPTS = 3
SITES = ("x.org", "y.org")
BREAKER = make_config(download={"breaker": {"max_blocks": 2}}).download.breaker
QUEUE = make_config(queue={"max_attempts": MAX_ATTEMPTS}).queue

#: every item and how many of the queue's tables say where it stands
PLACES = """
SELECT id, (SELECT count(*) FROM ready, unnest(tasks) AS one (task) WHERE task = id)
    + (SELECT count(*) FROM lease, unnest(tasks) AS one (task) WHERE task = id)
    + (SELECT count(*) FROM finished WHERE task = id) AS places
FROM task
"""

numbers = st.integers(0, 30)


@dataclass
class Known:
    """What the model knows of an item."""

    state: State = State.READY
    attempts: int = 0
    blocks: int = 0
    finished: int = 0
    site: str = ""


@dataclass
class Batch:
    """Items that a worker claimed together, as long as it believes that they are its own."""

    items: list[Item] = field(default_factory=list)
    alive: bool = True


class QueueMachine(RuleBasedStateMachine):
    """Workers that claim, finish, fail, freeze and come back, in any order."""

    def __init__(self, db: Connection) -> None:
        super().__init__()
        self.db = db
        db.execute("TRUNCATE task, ready, lease, finished, site_block, pause")
        save_project(db, CONFIG)
        self.known: dict[str, Known] = {}
        self.batches: list[Batch] = []
        self.paused = False

    @rule(keys=st.lists(st.integers(0, 9), max_size=4), site=st.sampled_from(SITES))
    def enqueue(self, keys: list[int], site: str) -> None:
        new = [NewItem(project="p", stage=Stage.DOWNLOAD, key=str(key), site=site) for key in keys]
        fresh = {item.key for item in new} - set(self.known)
        assert enqueue(self.db, new) == len(fresh)
        self.known |= {key: Known(site=site) for key in fresh}

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        let_wait_until(self.db, "now()")
        blocked = {row["site"] for row in self.db.execute("SELECT site FROM site_block").fetchall()}
        free = [
            key
            for key, item in self.known.items()
            if item.state == State.READY and item.site not in blocked and not self.paused
        ]
        items = take(self.db, limit)
        assert len(items) == min(limit, len(free))
        assert {item.key for item in items} <= set(free)
        for item in items:
            known = self.known[item.key]
            known.state, known.attempts = State.LEASED, known.attempts + 1
            assert item.attempts == known.attempts
        if items:
            self.batches.append(Batch(items))

    @rule(number=numbers, skipped=st.booleans())
    def complete(self, number: int, skipped: bool) -> None:
        def finish(batch: Batch) -> None:
            outcome = Outcome(skipped="why" if skipped else None)
            done = complete(self.db, [(item, outcome) for item in batch.items])
            assert done == self._ids(batch)
            for item in batch.items:
                if batch.alive:
                    self.known[item.key].state = State.SKIPPED if skipped else State.DONE
                    self.known[item.key].finished += 1

        self._settle(number, finish)

    @rule(number=numbers)
    def extend(self, number: int) -> None:
        if self.batches:
            batch = self.batches[number % len(self.batches)]
            assert extend(self.db, batch.items, lease_s=30) == self._ids(batch)

    @rule(number=numbers)
    def release(self, number: int) -> None:
        def give_back(batch: Batch) -> None:
            assert release(self.db, batch.items) == self._ids(batch)
            for item in batch.items if batch.alive else ():
                self._back(item, attempts=-1)

        self._settle(number, give_back)

    @rule(number=numbers, kind=st.sampled_from(["fail", "bury", "block"]))
    def settle_one_by_one(self, number: int, kind: str) -> None:
        operations: dict[str, Callable[[Item], State]] = {
            "fail": lambda item: fail(self.db, item, "e", queue=QUEUE),
            "bury": lambda item: bury(self.db, item, "e"),
            "block": lambda item: block(self.db, item, "e", site=item.site or "", breaker=BREAKER),
        }

        def settle(batch: Batch) -> None:
            for item in batch.items:
                if not batch.alive:
                    with pytest.raises(LeaseLostError):
                        operations[kind](item)
                    continue
                state = operations[kind](item)
                known = self.known[item.key]
                self._back(item, attempts=-(kind == "block"), blocks=kind == "block")
                dead = {
                    "fail": known.attempts >= MAX_ATTEMPTS,
                    "bury": True,
                    "block": known.blocks >= BREAKER.max_blocks,
                }[kind]
                known.state = State.DEAD if dead else State.READY
                assert state == known.state

        self._settle(number, settle)

    @rule()
    def all_workers_vanish(self) -> None:
        expire(self.db)
        reaped = reap(self.db, max_attempts=MAX_ATTEMPTS)
        leased = {key: item for key, item in self.known.items() if item.state == State.LEASED}
        for item in leased.values():
            item.state = State.DEAD if item.attempts >= MAX_ATTEMPTS else State.READY
        assert sorted(reaped.values()) == sorted(item.state for item in leased.values())
        for batch in self.batches:
            batch.alive = False

    @rule()
    def pause_or_resume(self) -> None:
        (resume if self.paused else pause)(self.db, "p", [Stage.DOWNLOAD])
        self.paused = not self.paused

    @rule()
    def sites_answer_again(self) -> None:
        self.db.execute("DELETE FROM site_block")

    @rule()
    def retry(self) -> None:
        dead = [item for item in self.known.values() if item.state == State.DEAD]
        assert retry(self.db, "p") == len(dead)
        for item in dead:
            item.state, item.attempts, item.blocks = State.READY, 0, 0

    @invariant()
    def the_queue_is_as_the_model_says(self) -> None:
        rows = self.db.execute("SELECT key, state, attempts, blocks, finished_at FROM item").fetchall()
        assert {row["key"]: (row["state"], row["attempts"], row["blocks"]) for row in rows} == {
            key: (item.state.value, item.attempts, item.blocks) for key, item in self.known.items()
        }
        ended = {State.DONE, State.SKIPPED, State.DEAD}
        assert all((row["finished_at"] is not None) == (row["state"] in ended) for row in rows)
        assert all(item.finished <= 1 for item in self.known.values())

    @invariant()
    def every_item_stands_in_one_place(self) -> None:
        assert {row["places"] for row in self.db.execute(PLACES).fetchall()} <= {1}

    def _settle(self, number: int, operation: Callable[[Batch], Any]) -> None:
        """Let a worker settle its batch; one that lost it tries too, and changes nothing."""
        if self.batches:
            operation(self.batches.pop(number % len(self.batches)))

    def _ids(self, batch: Batch) -> set[int]:
        return {item.id for item in batch.items} if batch.alive else set()

    def _back(self, item: Item, *, attempts: int = 0, blocks: int = 0) -> None:
        known = self.known[item.key]
        known.state, known.attempts, known.blocks = (
            State.READY,
            known.attempts + attempts,
            known.blocks + blocks,
        )


def test_no_order_of_operations_loses_an_item_or_finishes_it_twice(db: Connection) -> None:
    class Machine(QueueMachine):
        def __init__(self) -> None:
            super().__init__(db)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
