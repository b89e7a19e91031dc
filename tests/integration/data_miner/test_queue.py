"""The queue's promises, against a real Postgres."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.db.retention import delete_project
from data_miner.queue.items import NewItem, Outcome, State
from data_miner.queue.leases import (
    LeaseLostError,
    block,
    bury,
    claim,
    complete,
    enqueue,
    extend,
    fail,
    reap,
    release,
    retry,
    take_back_all,
    unblock_site,
    unfinished,
)
from data_miner.queue.records import FramesCut, VideoFound

from .factories import add_items, expire, let_wait_until, make_config, states, take

QUEUE = make_config().queue
BREAKER = make_config().download.breaker


def video(name: str = "aa") -> VideoFound:
    return VideoFound(
        sha256=name, path=f"videos/{name}", size_bytes=3, url="http://x/1", metadata={"title": "t"}
    )


def count(db: Connection, table: str) -> int:
    row = db.execute(f"SELECT count(*) AS n FROM {table}").fetchone()  # noqa: S608
    return int(row["n"]) if row else -1


def scans(db: Connection, table: str) -> int:
    """How often a table was read as a whole."""
    db.execute("SELECT pg_stat_force_next_flush()")
    row = db.execute("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = %s", [table]).fetchone()
    return int(row["seq_scan"]) if row else -1


def test_adding_an_item_again_changes_nothing(db: Connection) -> None:
    assert (add_items(db, 3), add_items(db, 4)) == (3, 1)


def test_items_that_are_added_together_keep_the_order_of_their_keys(db: Connection) -> None:
    keys = [f"k{number:03}" for number in range(200)]
    add_items(db, 1)
    enqueue(db, [NewItem(project="p", stage=Stage.DOWNLOAD, key=key) for key in reversed(keys)])
    assert [item.key for item in take(db, 999)] == ["a0", *keys]


def test_very_many_items_are_added_in_parts(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_miner.queue.leases._AT_ONCE", 3)
    add_items(db, 1)
    new = [NewItem(project="p", stage=Stage.DOWNLOAD, key=f"k{number}") for number in range(8)]
    assert (enqueue(db, [*reversed(new), new[0]]), enqueue(db, new), enqueue(db, [])) == (8, 0, 0)
    assert [item.key for item in take(db, 99)] == ["a0", *(item.key for item in new)]


def test_adding_items_again_waits_for_nobody_who_works_on_them(
    db: Connection, open_connection: Callable[[], Connection]
) -> None:
    add_items(db, 3)
    (item,) = take(db)
    monitor = open_connection()
    monitor.execute("SET lock_timeout = 200")
    with db.transaction():
        complete(db, [(item, Outcome())])
        assert add_items(monitor, 4) == 1
    with monitor.transaction():
        add_items(monitor, 4)
        assert len(take(db, 9)) == 3


def test_other_parameters_make_another_item_in_whatever_order_they_are_written(db: Connection) -> None:
    add_items(db, 1, params={"a": 1, "b": 2})
    assert add_items(db, 1, params={"b": 2, "a": 1}) == 0
    assert add_items(db, 1, params={"a": 1, "b": 3}) == 1


def test_the_same_item_twice_in_one_batch_is_added_once(db: Connection) -> None:
    add_items(db, 1)
    twin = NewItem(project="p", stage=Stage.EXTRACT, key="x")
    assert enqueue(db, [twin, twin]) == 1


def test_an_item_is_claimed_once(db: Connection) -> None:
    add_items(db, 3)
    first, second = take(db, 2), take(db, 2)
    assert {item.key for item in first} & {item.key for item in second} == set()
    assert len(first + second) == 3
    assert take(db) == []


def test_higher_priority_goes_first(db: Connection) -> None:
    add_items(db, 1, priority=0)
    enqueue(db, [NewItem(project="p", stage=Stage.DOWNLOAD, key="urgent", priority=5)])
    assert [item.key for item in take(db, 2)] == ["urgent", "a0"]


def test_workers_in_parallel_never_share_an_item(
    db: Connection, open_connection: Callable[[], Connection]
) -> None:
    add_items(db, 200)

    def work(connection: Connection) -> list[int]:
        done: list[int] = []
        while items := take(connection, 7):
            done += complete(connection, [(item, Outcome()) for item in items])
        return done

    with ThreadPoolExecutor(4) as pool:
        batches = pool.map(work, [open_connection() for _ in range(4)])
    finished = [number for batch in batches for number in batch]
    assert len(finished) == len(set(finished)) == 200


def test_claims_at_the_same_time_find_something_while_there_is_something(
    db: Connection, open_connection: Callable[[], Connection]
) -> None:
    add_items(db, 80)

    def work(connection: Connection) -> list[int]:
        return [len(take(connection, 1)) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, [open_connection() for _ in range(4)])) == [[1] * 20] * 4


def test_items_given_back_come_first_again(db: Connection) -> None:
    add_items(db, 9)
    items = take(db, 3)
    take(db, 2)
    release(db, items)
    assert [item.key for item in take(db, 5)] == ["a0", "a1", "a2", "a5", "a6"]


def test_many_items_come_in_their_order_however_many_are_taken_at_once(db: Connection) -> None:
    keys = [f"k{number:03}" for number in range(500)]
    add_items(db, 0)
    enqueue(db, [NewItem(project="p", stage=Stage.DOWNLOAD, key=key) for key in keys])
    taken = [item.key for limit in (1, 200, 7, 127, 999) for item in take(db, limit)]
    assert taken == keys


def test_thousands_of_sites_are_no_burden(db: Connection) -> None:
    add_items(db, 1)
    new = [
        NewItem(project="p", stage=Stage.DOWNLOAD, key=str(number), site=f"{number}.org")
        for number in range(5000)
    ]
    db.execute("SET statement_timeout = '5s'")  # a tenth of a second is enough; it was ten
    assert (enqueue(db, new), enqueue(db, new)) == (5000, 0)
    before = scans(db, "task")
    delete_project(db, "p", [])
    assert count(db, "task") == count(db, "ready") == count(db, "lane") == 0
    assert scans(db, "task") - before < 10


def test_results_for_a_project_that_was_deleted_meanwhile_are_refused(db: Connection) -> None:
    add_items(db, 3)
    add_items(db, 1, project="other")
    held = take(db, 9)
    add_items(db, 5)
    delete_project(db, "p", [])
    mine = [item for item in held if item.project == "p"]
    (other,) = [item for item in held if item.project == "other"]
    assert complete(db, [(item, Outcome()) for item in mine]) == set()
    assert (count(db, "ready"), count(db, "finished")) == (0, 0)
    assert complete(db, [(other, Outcome())]) == {other.id}
    assert count(db, "lease") == 0


def test_a_project_is_deleted_while_results_of_it_are_stored(
    db: Connection, open_connection: Callable[[], Connection]
) -> None:
    add_items(db, 2)
    (item,) = take(db, 1)
    again = NewItem(project="p", stage=Stage.EXTRACT, key="v")
    look = open_connection()
    with ThreadPoolExecutor(1) as pool:
        with db.transaction():
            complete(db, [(item, Outcome())])
            deletion = pool.submit(delete_project, open_connection(), "p", [])
            while not look.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                assert not deletion.done()
            db.execute("UPDATE task SET attempts = attempts + 1")
            enqueue(db, [again])
        deletion.result()
    assert count(db, "task") == count(db, "finished") == 0


def test_completing_stores_result_acknowledgement_and_next_item_together(db: Connection) -> None:
    add_items(db, 1)
    (item,) = take(db)
    following = NewItem(project="p", stage=Stage.EXTRACT, key="aa")
    complete(db, [(item, Outcome(result={"n": 1}, records=[video()], next_items=[following]))])
    assert states(db) == {"a0": "done", "aa": "ready"}
    assert (count(db, "video"), count(db, "video_origin")) == (1, 1)


def test_nothing_is_stored_when_part_of_the_completion_fails(db: Connection) -> None:
    add_items(db, 1)
    (item,) = take(db)
    orphan = FramesCut(sha256="no such video", path="x", frames=1, width=1, height=1)
    with pytest.raises(Exception, match="foreign key"):
        complete(db, [(item, Outcome(records=[video(), orphan]))])
    assert states(db) == {"a0": "leased"}
    assert count(db, "video") == 0


def test_a_late_result_is_refused(db: Connection) -> None:
    add_items(db, 1)
    (item,) = take(db)
    expire(db)
    assert complete(db, [(item, Outcome(records=[video()]))]) == set()
    assert count(db, "video") == 0
    reap(db, max_attempts=5)
    (again,) = take(db, worker="other")
    assert complete(db, [(item, Outcome())]) == set()
    assert complete(db, [(again, Outcome())]) == {item.id}


def test_completing_again_after_a_lost_answer_is_recognised(db: Connection) -> None:
    add_items(db, 1)
    (item,) = take(db)
    for _ in range(2):
        assert complete(db, [(item, Outcome(records=[video()]))]) == {item.id}
    assert count(db, "video_origin") == 1


def test_in_a_batch_only_lost_leases_are_refused(db: Connection) -> None:
    add_items(db, 2)
    lost, kept = take(db, 2)
    release(db, [lost])
    assert complete(db, [(lost, Outcome()), (kept, Outcome(skipped="blocked"))]) == {kept.id}
    assert states(db) == {lost.key: "ready", kept.key: "skipped"}


def test_a_heartbeat_keeps_a_lease_and_cannot_revive_one(db: Connection) -> None:
    add_items(db, 1)
    (item,) = take(db, lease_s=1)
    assert extend(db, [item], lease_s=1000) == {item.id}
    assert reap(db, max_attempts=5) == {}
    expire(db)
    assert extend(db, [item], lease_s=1000) == set()


def test_an_item_whose_worker_is_gone_becomes_ready_and_at_last_dead(db: Connection) -> None:
    add_items(db, 1)
    for attempt, state in [(1, State.READY), (2, State.DEAD)]:
        (item,) = take(db)
        assert item.attempts == attempt
        expire(db)
        assert reap(db, max_attempts=2) == {item.id: state}


def test_all_leases_are_taken_back_however_many_there_are(db: Connection) -> None:
    add_items(db, 1001)
    while take(db, 1):
        pass
    assert len(take_back_all(db, max_attempts=2)) == 1001
    assert set(states(db).values()) == {"ready"}


def test_a_failed_item_waits_and_is_dead_after_its_attempts(db: Connection) -> None:
    add_items(db, 1)
    for _ in range(QUEUE.max_attempts - 1):
        (item,) = take(db)
        assert fail(db, item, "boom", queue=QUEUE) == State.READY
        assert take(db) == []
        let_wait_until(db, "now()")
    assert fail(db, take(db)[0], "boom", queue=QUEUE) == State.DEAD


def test_backoff_grows_to_its_limit_whatever_the_attempt(db: Connection) -> None:
    add_items(db, 1)
    queue = make_config(queue={"max_attempts": 5000, "backoff_s": 1, "max_backoff_s": 60}).queue
    db.execute("UPDATE task SET attempts = 4000")
    fail(db, take(db)[0], "boom", queue=queue)
    row = db.execute("SELECT extract(epoch FROM ready_at - now())::float AS wait_s FROM item").fetchone()
    assert row is not None
    assert 29 < row["wait_s"] <= 90


def test_a_refusing_site_is_left_alone_and_burns_no_attempt(db: Connection) -> None:
    add_items(db, 2, site="x.org")
    enqueue(db, [NewItem(project="p", stage=Stage.DOWNLOAD, key="elsewhere", site="y.org")])
    item = next(item for item in take(db, 3) if item.site == "x.org")
    block(db, item, "HTTP 429", site="x.org", breaker=BREAKER)
    expire(db)
    reap(db, max_attempts=5)
    assert [item.key for item in take(db, 3)] == ["elsewhere"]
    db.execute("UPDATE site_block SET blocked_until = now()")
    unblock_site(db, "x.org")
    again = {item.key: item for item in take(db, 3)}[item.key]
    assert (again.attempts, again.blocks) == (1, 1)


def test_a_site_that_never_relents_ends_in_a_dead_letter(db: Connection) -> None:
    add_items(db, 1, site="x.org")
    breaker = make_config(
        download={"breaker": {"max_blocks": 2, "pause_s": 60, "max_pause_s": 90}}
    ).download.breaker
    assert block(db, take(db)[0], "HTTP 403", site="x.org", breaker=breaker) == State.READY
    db.execute("UPDATE site_block SET blocked_until = now()")
    assert block(db, take(db)[0], "HTTP 403", site="x.org", breaker=breaker) == State.DEAD


def test_released_items_are_ready_at_once_with_their_attempt_back(db: Connection) -> None:
    add_items(db, 1)
    release(db, take(db), "shutting down")
    assert take(db)[0].attempts == 1


@pytest.mark.parametrize("operation", ["fail", "bury", "block"])
def test_an_item_that_is_not_ours_any_more_is_left_alone(db: Connection, operation: str) -> None:
    add_items(db, 1, site="x.org")
    (item,) = take(db)
    expire(db)
    calls: dict[str, Callable[[], object]] = {
        "fail": lambda: fail(db, item, "e", queue=QUEUE),
        "bury": lambda: bury(db, item, "e"),
        "block": lambda: block(db, item, "e", site="x.org", breaker=BREAKER),
    }
    with pytest.raises(LeaseLostError):
        calls[operation]()
    assert count(db, "site_block") == 0


def test_dead_letters_are_retried_by_project_and_stage(db: Connection) -> None:
    add_items(db, 2)
    for item in take(db, 1) + take(db, 1):
        bury(db, item, "gone")
    assert retry(db, "other") == 0
    assert retry(db, "p", Stage.EXTRACT) == 0
    assert retry(db, "p") == 2
    assert {item.attempts for item in take(db, 2)} == {1}


def test_finished_items_need_no_working_files(db: Connection) -> None:
    add_items(db, 3)
    done, leased = take(db), take(db)
    complete(db, [(done[0], Outcome())])
    rows = db.execute("SELECT id FROM item ORDER BY id").fetchall()
    assert unfinished(db, [row["id"] for row in rows] + [999]) == {row["id"] for row in rows} - {done[0].id}
    assert leased


def test_stages_do_not_see_each_others_items(db: Connection) -> None:
    add_items(db, 1)
    assert claim(db, Stage.EXTRACT, worker="w", node="n", limit=1, lease_s=9) == []
