"""Removing projects and old frames: what others need stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from data_miner.config import AppConfig
from data_miner.dataset.gather import gather
from data_miner.db import retention
from data_miner.db.connect import Connection
from data_miner.db.retention import Frameset
from data_miner.errors import MinerError
from data_miner.queue.items import State
from data_miner.retention import delete_project, plan_deletion, plan_pruning, prune
from data_miner.store import Store

from .commands import Commands
from .factories import add_items, end, take
from .pipeline import Pipeline
from .settings import settings
from .site import Site, make_video


def frames(pipeline: Pipeline) -> list[Path]:
    return [path for path in pipeline.files("frames") if path.suffix == ".jpg"]


@pytest.fixture
def store(pipeline: Pipeline) -> Store:
    return Store(pipeline.root, mount=None)


def test_a_project_goes_with_its_files(pipeline: Pipeline, store: Store, mined: AppConfig) -> None:
    planned = plan_deletion(pipeline.db, store, "p")
    assert planned.files == len(pipeline.files("")) > 0
    assert delete_project(pipeline.db, store, "p", wait_s=0) == planned
    assert pipeline.files("") == []
    for table in ("project", "item", "video", "frameset", "dedup_frame", "object_box", "pause"):
        assert pipeline.db.execute(f"SELECT FROM {table}").fetchall() == []


def test_what_another_project_has_too_stays(pipeline: Pipeline, site: Site, store: Store) -> None:
    both, own = site.add("/a.mp4", make_video()), site.add("/b.mp4", make_video(shade=9))
    pipeline.run(pipeline.config(project="other", urls=[both]))
    before = pipeline.files("")
    pipeline.run(pipeline.config(project="mine", urls=[both, own]))
    for path in (file for folder in ("videos/*/*", "frames/*/*") for file in store.root.glob(folder)):
        os.utime(path, (0, 0))
    delete_project(pipeline.db, store, "mine", wait_s=0)
    assert pipeline.files("") == before
    pipeline.run(pipeline.config(project="mine", urls=[both, own]))
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}


def test_what_another_project_may_be_taking_over_is_left_to_the_monitor(
    pipeline: Pipeline, site: Site, store: Store
) -> None:
    pipeline.run(pipeline.config(project="mine", urls=[site.add("/a.mp4", make_video())]))
    add_items(pipeline.db, 1, project="other")
    before = pipeline.files("")
    assert delete_project(pipeline.db, store, "mine", wait_s=0).files == 0
    assert pipeline.files("") == before
    assert pipeline.db.execute("SELECT FROM video").fetchall() == []  # so they are orphans now


def test_a_project_that_is_worked_on_stays_paused(db: Connection, store: Store) -> None:
    add_items(db, 2)
    take(db)
    with pytest.raises(MinerError, match="still work on 1 items"):
        delete_project(db, store, "p", wait_s=0)
    assert take(db) == []


def test_old_frames_that_the_dataset_does_without_go(
    pipeline: Pipeline, store: Store, mined: AppConfig
) -> None:
    kept = {
        store.root / "frames" / row["video"] / row["frames_hash"] / f"{row['time_ms']:09d}.jpg"
        for row in pipeline.db.execute("SELECT * FROM dedup_frame WHERE kept").fetchall()
    }
    assert plan_pruning(pipeline.db, store, mined, days=1).paths == []
    before = len(frames(pipeline))
    removal = prune(pipeline.db, store, mined, days=0)
    assert set(frames(pipeline)) == kept
    assert removal.files >= before - len(kept) > 0
    assert prune(pipeline.db, store, mined, days=0).files == 0


def test_pruned_frames_are_not_asked_for_when_thresholds_change(
    pipeline: Pipeline, store: Store, site: Site, mined: AppConfig
) -> None:
    prune(pipeline.db, store, mined, days=0)
    pipeline.run(pipeline.config(urls=mined.urls, **settings(filter={"threshold": 0.85})))
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}


def test_another_project_may_cut_pruned_frames_again(
    pipeline: Pipeline, store: Store, mined: AppConfig
) -> None:
    before = frames(pipeline)
    prune(pipeline.db, store, mined, days=0)
    pipeline.run(pipeline.config(project="other", urls=mined.urls, extract=settings()["extract"]))
    assert frames(pipeline) == before
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}


def test_a_dry_run_removes_nothing(pipeline: Pipeline, database: str, mined: AppConfig) -> None:
    commands, before = Commands(database), pipeline.files("")
    assert commands.json("prune", "p", "--days", "0", "--dry-run")["files"] > 0
    assert commands.json("delete-project", "p", "--dry-run")["files"] == len(before)
    assert pipeline.files("") == before
    assert commands.json("projects") == ["p"]
    assert commands.run("delete-project", "p", check=False).returncode == 1  # nobody said yes
    assert commands.json("projects") == ["p"]
    assert commands.json("delete-project", "p", "--yes")["files"] == len(before)
    assert commands.json("projects") == []


def test_the_project_that_a_cluster_is_deployed_with_is_not_removed(
    pipeline: Pipeline, database: str, mined: AppConfig, tmp_path: Path
) -> None:
    mounted = tmp_path / "config.yaml"
    mounted.write_text(mined.model_dump_json(exclude_none=True))
    done = Commands(database).run(
        "delete-project", "p", "--yes", check=False, environment={"DATA_MINER_CONFIG": str(mounted)}
    )
    assert done.returncode == 1
    assert "deploy another one first" in done.stderr


def export_of(pipeline: Pipeline, store: Store, config: AppConfig) -> set[Path]:
    """The pictures of a project's dataset; each is there."""
    return {frame.source for frame in gather(pipeline.db, store, config).frames}


def test_frames_that_another_project_pruned_and_still_has_in_its_dataset_stay(
    pipeline: Pipeline, store: Store, mined: AppConfig
) -> None:
    prune(pipeline.db, store, mined, days=0)
    dataset = export_of(pipeline, store, mined)
    again = pipeline.config(project="other", urls=mined.urls, extract=settings()["extract"])
    pipeline.run(again)
    for path in (file for folder in ("videos/*/*", "frames/*/*") for file in store.root.glob(folder)):
        os.utime(path, (0, 0))
    narrow = pipeline.config(project="other", urls=mined.urls, **settings(filter={"threshold": 0.995}))
    pipeline.run(narrow)
    prune(pipeline.db, store, narrow, days=0)
    assert export_of(pipeline, store, mined) == dataset
    delete_project(pipeline.db, store, "other", wait_s=0)
    assert export_of(pipeline, store, mined) == dataset


def test_frames_that_another_project_takes_over_at_that_moment_stay(
    pipeline: Pipeline, store: Store, mined: AppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_items(pipeline.db, 1, project="other")
    for path in [*store.root.glob("frames/*/*"), *store.root.glob("frames/*/*/frames.json")]:
        os.utime(path, (0, 0))
    before = frames(pipeline)
    taken: list[dict[str, Any] | None] = []

    def note_pruned(connection: Connection, project: str, frameset: Frameset) -> None:
        note(connection, project, frameset)
        taken.append(store.read_frames(frameset.video, frameset.params_hash))

    note = retention.note_pruned
    monkeypatch.setattr(retention, "note_pruned", note_pruned)
    assert prune(pipeline.db, store, mined, days=0).files == 0
    assert taken
    assert None not in taken
    assert frames(pipeline) == before
    pruned = pipeline.db.execute("SELECT FROM frameset WHERE pruned_at IS NOT NULL").fetchall()
    assert pruned == []
    monkeypatch.undo()
    for path in [*store.root.glob("frames/*/*"), *store.root.glob("frames/*/*/frames.json")]:
        os.utime(path, (0, 0))
    assert prune(pipeline.db, store, mined, days=0).files > 0


def test_new_videos_are_compared_with_pruned_ones(
    pipeline: Pipeline, store: Store, site: Site, mined: AppConfig
) -> None:
    of_videos = "SELECT count(*) FILTER (WHERE kept) AS kept FROM dedup_frame GROUP BY video ORDER BY 1"
    assert pipeline.db.execute(of_videos).fetchall()[0] == {"kept": 0}  # all of its frames go
    prune(pipeline.db, store, mined, days=0)
    new = site.add("/new.mp4", make_video(seconds=1.7))
    pipeline.run(mined.model_copy(update={"urls": [*mined.urls, new]}))
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}


def test_frames_that_a_dead_letter_needs_stay(pipeline: Pipeline, store: Store, mined: AppConfig) -> None:
    before = frames(pipeline)
    end(pipeline.db, "dead", "stage = 'filter'")
    assert prune(pipeline.db, store, mined, days=0).files == 0
    assert frames(pipeline) == before
