"""Paused stages are left alone by claims, of their project only."""

from __future__ import annotations

from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.queue.leases import extend
from data_miner.queue.pauses import pause, paused, resume

from .factories import add_items, take


def test_items_of_a_paused_stage_are_not_claimed_until_it_is_resumed(db: Connection) -> None:
    add_items(db, 1)
    assert pause(db, "p", [Stage.DOWNLOAD]) == {Stage.DOWNLOAD}
    assert take(db) == []
    assert resume(db, "p", [Stage.DOWNLOAD]) == {Stage.DOWNLOAD}
    assert len(take(db)) == 1


def test_other_projects_and_stages_go_on(db: Connection) -> None:
    add_items(db, 1, project="paused")
    add_items(db, 1, project="other")
    pause(db, "paused")
    pause(db, "other", [Stage.EXTRACT])
    assert [item.project for item in take(db, 10)] == ["other"]


def test_what_is_leased_already_may_be_finished(db: Connection) -> None:
    add_items(db, 1)
    items = take(db)
    pause(db, "p")
    assert extend(db, items, lease_s=30) == {items[0].id}


def test_a_stage_of_a_paused_project_can_be_resumed_alone(db: Connection) -> None:
    add_items(db, 1)
    pause(db, "p")
    resume(db, "p", [Stage.EXTRACT])
    assert paused(db) == {"p": [stage for stage in Stage if stage is not Stage.EXTRACT]}


def test_pausing_twice_is_resumed_at_once(db: Connection) -> None:
    add_items(db, 1)
    pause(db, "p", [Stage.DOWNLOAD])
    assert pause(db, "p", [Stage.DOWNLOAD]) == set()
    resume(db, "p")
    assert paused(db) == {}
