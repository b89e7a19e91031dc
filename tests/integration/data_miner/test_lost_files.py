"""Files of the store that can't be read any more, while all others can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from data_miner.queue.items import State

from .factories import begin_again
from .pipeline import Pipeline
from .settings import settings
from .site import Site, make_video

#: opens like any file, and reading its first bytes is an input/output error
UNREADABLE = Path("/proc/self/mem")
Lose = Callable[[Path], None]
QUICK = {"max_attempts": 2, "max_backoff_s": 0.1}


def lose(path: Path) -> None:
    path.unlink()
    path.symlink_to(UNREADABLE)


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def stage_of(pipeline: Pipeline, stage: str) -> tuple[str, str | None, int]:
    row = pipeline.db.execute("SELECT state, error, attempts FROM item WHERE stage = %s", [stage]).fetchone()
    assert row
    return row["state"], row["error"], row["attempts"]


@pytest.mark.parametrize("how", [lose, Path.unlink])
def test_a_lost_video_ends_in_a_dead_letter(pipeline: Pipeline, site: Site, how: Lose) -> None:
    config = {"urls": [site.add("/a.mp4", make_video())], "queue": QUICK}
    pipeline.run(pipeline.config(**config, stages=["search", "download"]))
    (video,) = pipeline.files("videos")
    how(video)
    pipeline.run(pipeline.config(**config, stages=["search", "download", "extract"]))
    state, error, attempts = stage_of(pipeline, "extract")
    assert (state, attempts) == (State.DEAD, 2)
    assert error
    assert str(video) in error


@pytest.mark.parametrize("how", [lose, Path.unlink, damage])
@pytest.mark.parametrize("stage", ["filter", "detect"])
def test_a_lost_frame_ends_in_a_dead_letter(pipeline: Pipeline, site: Site, stage: str, how: Lose) -> None:
    all_stages = settings()
    before = all_stages["stages"][: all_stages["stages"].index(stage)]
    config = {**all_stages, "urls": [site.add("/a.mp4", make_video())], "queue": QUICK}
    pipeline.run(pipeline.config(**{**config, "stages": before}))
    frame = next(path for path in pipeline.files("frames") if path.suffix == ".jpg")
    how(frame)
    pipeline.run(pipeline.config(**config))
    state, error, attempts = stage_of(pipeline, stage)
    if how is Path.unlink and stage == "filter":  # it looks at those that are there
        assert state == State.DONE
        return
    assert (state, attempts) == (State.DEAD, 2)
    assert error
    assert str(frame) in error


@pytest.mark.parametrize("how", [lose, damage])
def test_frames_with_a_damaged_list_are_cut_again(pipeline: Pipeline, site: Site, how: Lose) -> None:
    config = pipeline.config(
        urls=[site.add("/a.mp4", make_video())], stages=["search", "download", "extract"]
    )
    pipeline.run(config)
    (listing,) = [path for path in pipeline.files("frames") if path.name == "frames.json"]
    text = listing.read_text()
    how(listing)
    begin_again(pipeline.db, "stage = 'extract'")
    pipeline.run(config)
    assert stage_of(pipeline, "extract")[0] == State.DONE
    assert listing.read_text() == text


@pytest.mark.parametrize("how", [lose, damage])
def test_lost_embeddings_are_made_again(pipeline: Pipeline, site: Site, how: Lose) -> None:
    config = {**settings(), "urls": [site.add("/a.mp4", make_video())]}
    pipeline.run(pipeline.config(**{**config, "stages": ["search", "download", "extract", "filter"]}))
    (file,) = pipeline.files("embeddings")
    how(file)
    pipeline.run(pipeline.config(**config))
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}
