"""Several items in one lease: what befalls one of them does not befall the others."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.errors import BrokenProcessError, SiteBlockedError
from data_miner.mount import StorageAwayError
from data_miner.queue.items import NewItem, Outcome
from data_miner.queue.leases import reap
from data_miner.queue.records import FramesCompared, Record, StaleError
from data_miner.store import Store
from data_miner.workers.base import Worker
from data_miner.workers.job import Job
from data_miner.workers.made import Made, due
from data_miner.workers.monitor import Monitor
from data_miner.workers.process import Process

from .factories import add_items, expire, make_config, states, take

#: what is worked on, and what a worker would take
CLAIMABLE = """
SELECT FROM item WHERE state = 'leased'
    OR state = 'ready' AND NOT EXISTS (SELECT FROM site_block WHERE site_block.site = item.site)
"""

Function = Callable[[Job], Outcome]
Work = Callable[[Function], None]


@pytest.fixture
def process(database: str, tmp_path: Path) -> Process:
    """A worker's process that takes batches of four."""
    config = make_config(output_dir=str(tmp_path), queue={"batch_size": 4})
    store = Store(config.output_dir, mount=None)
    return Process(config=config, database_url=database, store=store, name="w", node="n")


@pytest.fixture
def work(db: Connection, process: Process) -> Work:
    """Let a worker run until it can do no more."""

    def run(function: Function) -> None:
        thread = threading.Thread(target=Worker(process, "test", [(Stage.DOWNLOAD, function)]).run)
        thread.start()
        while db.execute(CLAIMABLE).fetchall():
            assert thread.is_alive()
            time.sleep(0.02)
        process.request_stop()
        thread.join()

    return run


def test_all_items_of_a_batch_are_worked_on(db: Connection, work: Work) -> None:
    add_items(db, 4)
    work(lambda _: Outcome())
    assert set(states(db).values()) == {"done"}


def test_a_site_that_refuses_one_item_is_not_asked_for_the_others(db: Connection, work: Work) -> None:
    add_items(db, 3, site="x.org")
    asked = []

    def refuse(job: Job) -> Outcome:
        asked.append(job.item.key)
        raise SiteBlockedError("HTTP 429", site="x.org")

    work(refuse)
    assert asked == ["a0"]
    rows = db.execute("SELECT state, attempts, blocks FROM item ORDER BY key").fetchall()
    assert [tuple(row.values()) for row in rows] == [("ready", 0, 1), ("ready", 0, 0), ("ready", 0, 0)]


def test_an_item_that_was_tried_before_is_worked_on_alone(db: Connection, work: Work) -> None:
    add_items(db, 4)
    take(db, 1)
    expire(db)
    reap(db, max_attempts=5)
    held = []

    def look(job: Job) -> Outcome:
        leased = [key for key, state in states(db).items() if state == "leased"]
        held.append((job.item.attempts, len(leased)))
        return Outcome()

    work(look)
    assert held == [(2, 1), (1, 3), (1, 3), (1, 3)]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome(result={"title": "a\0b"}), "u0000"),
        (Outcome(skipped="a\0b"), "NUL"),
        (Outcome(result={"title": "\ud800"}), "Unicode"),
        (Outcome(result={"seconds": float("nan")}), "NaN"),
    ],
)
def test_what_the_database_does_not_take_fails_its_item_and_no_worker(
    db: Connection, work: Work, outcome: Outcome, reason: str
) -> None:
    add_items(db, 2)
    work(lambda job: outcome if job.item.key == "a0" else Outcome())
    assert states(db) == {"a0": "dead", "a1": "done"}
    (row,) = db.execute("SELECT attempts, error FROM item WHERE key = 'a0'").fetchall()
    assert row["attempts"] == make_config().queue.max_attempts
    assert reason in row["error"]


def test_what_is_too_long_for_the_queue_fails_its_item_and_no_worker(db: Connection, work: Work) -> None:
    """Postgres says so with a code of the same kind as those of a server that is away."""
    following = NewItem(project="p", stage=Stage.EXTRACT, key=secrets.token_hex(5000))
    add_items(db, 2)
    work(lambda job: Outcome(next_items=[following] if job.item.key == "a0" else []))
    assert states(db) == {"a0": "dead", "a1": "done"}
    (row,) = db.execute("SELECT error FROM item WHERE key = 'a0'").fetchall()
    assert "index row" in row["error"]


def test_a_result_that_is_always_out_of_date_is_given_up(
    db: Connection, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(*_: object) -> set[int]:
        raise StaleError("others were faster")

    monkeypatch.setattr("data_miner.workers.base.leases.complete", stale)
    add_items(db, 1)
    work(lambda _: Outcome())
    (row,) = db.execute("SELECT state, error FROM item").fetchall()
    assert row["state"] == "dead"
    assert row["error"] == "others were faster"


def test_an_item_whose_file_is_away_does_not_keep_the_others_waiting(db: Connection, work: Work) -> None:
    """A machine that is off has some files, and every worker would come back to the first of these."""
    add_items(db, 12)
    tried = []

    def look(job: Job) -> Outcome:
        if job.item.key in {"a0", "a1"}:
            tried.append(job.item.key)
            if len(tried) < 4:
                raise StorageAwayError("Input/output error")
        return Outcome()

    work(look)
    assert set(states(db).values()) == {"done"}
    done = [row["key"] for row in db.execute("SELECT key FROM item ORDER BY finished_at").fetchall()]
    assert {done[-1], done[-2]} == {"a0", "a1"}
    assert {row["attempts"] for row in db.execute("SELECT attempts FROM item").fetchall()} == {1}


def test_results_of_short_items_are_acknowledged_together(db: Connection, work: Work) -> None:
    add_items(db, 4)
    work(lambda _: Outcome())
    assert len(db.execute("SELECT DISTINCT finished_at FROM finished").fetchall()) == 1


def test_no_result_waits_for_an_item_that_takes_long(db: Connection, work: Work) -> None:
    add_items(db, 2)

    seen = []

    def look(job: Job) -> Outcome:
        deadline = time.monotonic() + 10
        while job.item.key == "a1" and states(db)["a0"] != "done" and time.monotonic() < deadline:
            job.tick()
        seen.append(states(db)["a0"])
        return Outcome()

    work(look)
    assert seen == ["leased", "done"]


def test_a_worker_that_is_asked_to_stop_acknowledges_what_it_made(db: Connection, process: Process) -> None:
    add_items(db, 4)

    def stop_at_second(job: Job) -> Outcome:
        if job.item.key == "a1":
            process.request_stop()
        return Outcome()

    Worker(process, "test", [(Stage.DOWNLOAD, stop_at_second)]).run()
    assert states(db) == {"a0": "done", "a1": "done", "a2": "ready", "a3": "ready"}


@pytest.mark.parametrize("by_item", [True, False])
def test_a_process_that_is_broken_ends_and_only_the_item_s_own_fault_is_an_attempt(
    by_item: bool, db: Connection, process: Process
) -> None:
    add_items(db, 4)

    def break_at_second(job: Job) -> Outcome:
        if job.item.key == "a1":
            raise BrokenProcessError("the GPU failed", by_item=by_item)
        return Outcome()

    with pytest.raises(BrokenProcessError, match="the GPU failed"):
        Worker(process, "test", [(Stage.DOWNLOAD, break_at_second)]).run()
    assert states(db) == {"a0": "done", "a1": "ready", "a2": "ready", "a3": "ready"}
    rows = db.execute("SELECT key, attempts, error FROM item WHERE state = 'ready'").fetchall()
    assert {row["key"]: row["attempts"] for row in rows} == {"a1": int(by_item), "a2": 0, "a3": 0}
    assert {row["error"] for row in rows} == {"the GPU failed", None}


def test_what_later_items_are_compared_with_is_acknowledged_first() -> None:
    compared = FramesCompared(sha256="b", frames_hash="f", known=0, frames=[], pairs=[])

    def made(*records: Record) -> Made:
        item: Any = None
        return Made(
            item=item,
            outcome=Outcome(records=list(records)),
            function=lambda _: Outcome(),
            again=0,
            elapsed_s=0,
            extra={},
        )

    assert due([made(), made(compared)])
    assert not due([made(), made()])


def test_the_monitor_goes_on_beside_an_address_that_is_too_long(process: Process) -> None:
    process.config = make_config(
        output_dir=str(process.config.output_dir), urls=[f"http://x.org/{secrets.token_hex(5000)}"]
    )
    thread = threading.Thread(target=Monitor(process).run)
    thread.start()
    while "index row" not in (process.pulse.waits_for or ""):
        assert thread.is_alive()
        time.sleep(0.02)
    process.request_stop()
    thread.join()
