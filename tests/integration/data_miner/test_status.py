"""What `data-miner status` says of a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.queue.items import Outcome
from data_miner.queue.leases import bury, claim, complete, release

from .factories import add_items


def status(database: str, *arguments: str) -> str:
    """What the command prints."""
    return subprocess.run(
        [sys.executable, "-m", "data_miner.cli", "status", *arguments],
        env=os.environ | {"DATABASE_URL": database, "COLUMNS": "120"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def finish(db: Connection, *, node: str) -> None:
    (item,) = claim(db, Stage.DOWNLOAD, worker=f"w-{node}", node=node, limit=1, lease_s=30)
    complete(db, [(item, Outcome(result={}))])


def test_it_counts_by_state_and_by_the_machine_that_did_the_work(db: Connection, database: str) -> None:
    add_items(db, 5)
    for node in ("one", "two", "two"):
        finish(db, node=node)
    (item,) = claim(db, Stage.DOWNLOAD, worker="w", node="one", limit=1, lease_s=30)
    bury(db, item, "HTTP 404")
    project: dict[str, Any] = json.loads(status(database, "--json"))["projects"]["p"]
    assert project["stages"] == {"download": {"ready": 1, "leased": 0, "done": 3, "skipped": 0, "dead": 1}}
    assert project["nodes"] == {"one": {"download": 1}, "two": {"download": 2}}
    assert (project["videos"], project["frames"]) == (0, 0)


def test_people_see_a_table_with_the_machines_below(db: Connection, database: str) -> None:
    add_items(db, 1)
    finish(db, node="one")
    lines = status(database).splitlines()
    assert lines[0].startswith("p: 0 videos, 0.0 MiB, 0 frames")
    assert "  one did download 1" in lines


def test_an_empty_database_says_what_comes_next(database: str) -> None:
    assert "No projects yet" in status(database)


@pytest.mark.parametrize("command", [("failed", "nosuch"), ("retry", "nosuch"), ("status", "-p", "nosuch")])
def test_a_misspelt_project_is_no_empty_answer(
    db: Connection, database: str, command: tuple[str, ...]
) -> None:
    add_items(db, 1)
    done = subprocess.run(
        [sys.executable, "-m", "data_miner.cli", *command],
        env=os.environ | {"DATABASE_URL": database},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "no project nosuch; there are: p" in done.stderr


def test_the_migration_waits_for_a_database_that_is_not_up_yet() -> None:
    nobody = "postgresql://postgres@127.0.0.1:1/nothing"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "data_miner.cli", "db", "migrate", "--wait-s", "3"],
        env=os.environ | {"DATABASE_URL": nobody},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "127.0.0.1:1/nothing" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started >= 3


def test_why_videos_were_skipped_is_told_the_most_frequent_reason_first(
    db: Connection, database: str
) -> None:
    add_items(db, 4)
    for why in ("too long", "too short", "too long", None):
        (item,) = claim(db, Stage.DOWNLOAD, worker="w", node="one", limit=1, lease_s=30)
        complete(db, [(item, Outcome(skipped=why))])
    skipped = json.loads(status(database, "--json"))["projects"]["p"]["skipped"]
    assert skipped == [
        {"stage": "download", "reason": "too long", "items": 2},
        {"stage": "download", "reason": "too short", "items": 1},
    ]
    assert "  download skipped 2: too long" in status(database).splitlines()


def test_what_items_wait_for_is_told(db: Connection, database: str) -> None:
    add_items(db, 2)
    (item,) = claim(db, Stage.DOWNLOAD, worker="w", node="one", limit=1, lease_s=30)
    release(db, [item], "model tiny is not in /models", delay_s=1)
    assert json.loads(status(database, "--json"))["projects"]["p"]["waiting"] == [
        "model tiny is not in /models"
    ]
    assert "  waits: model tiny is not in /models" in status(database).splitlines()
