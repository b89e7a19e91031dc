"""Files that nobody speaks of go, and what somebody speaks of or may still take over stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data_miner.orphans import OrphanCollector
from data_miner.store import MANIFEST, Store

from .pipeline import Pipeline
from .site import Site, make_video

SHA = "ab" * 32


class Collector:
    """One that removes what it sees for the second time."""

    def __init__(self, pipeline: Pipeline, *, min_age_s: float = 0, clocks_s: float = 0) -> None:
        self.db = pipeline.db
        store = Store(pipeline.root, mount=None)
        self.collector = OrphanCollector(store, min_age_s=min_age_s, clocks_s=clocks_s)

    def collect(self) -> int:
        return self.collector.collect(self.db, tick=lambda: None)


@pytest.fixture
def store(pipeline: Pipeline, site: Site) -> Store:
    """The store of a project that was worked off."""
    pipeline.run(
        pipeline.config(
            urls=[site.add("/a.mp4", make_video())],
            stages=["search", "download", "extract", "filter"],
            filter={"positive_prompts": ["dark"]},
        )
    )
    return Store(pipeline.root, mount=None)


def add_orphans(store: Store) -> None:
    """Add a video, a directory of frames and one of embeddings that no item made."""
    video = store.video_path(SHA, "mp4")
    frames, embeddings = (store.root / kind / SHA / "0123456789abcdef" for kind in ("frames", "embeddings"))
    for directory in (video.parent, frames, embeddings):
        directory.mkdir(parents=True)
    video.write_bytes(b"video")
    (frames / MANIFEST).write_text('{"frames": 0}')
    (embeddings / "x.npz").write_bytes(b"")


def test_what_is_unknown_goes_and_what_is_known_stays(pipeline: Pipeline, store: Store) -> None:
    known = pipeline.files(".")
    add_orphans(store)
    collector = Collector(pipeline)
    assert [collector.collect() for _ in range(3)] == [0, 3, 0]
    assert pipeline.files(".") == known


def test_nothing_goes_before_its_time(pipeline: Pipeline, store: Store) -> None:
    add_orphans(store)
    collector = Collector(pipeline, min_age_s=3600)
    assert [collector.collect() for _ in range(3)] == [0, 0, 0]


def test_frames_that_are_taken_over_stay(pipeline: Pipeline, store: Store) -> None:
    add_orphans(store)
    collector = Collector(pipeline)
    collector.collect()
    assert store.read_frames(SHA, "0123456789abcdef") == {"frames": 0}
    assert collector.collect() == 2
    assert store.read_frames(SHA, "0123456789abcdef") == {"frames": 0}


def test_a_video_that_is_stored_again_stays(pipeline: Pipeline, store: Store) -> None:
    collector = Collector(pipeline)
    download = store.root / "media.mp4"
    for _ in range(2):
        download.write_bytes(b"the same bytes")
        stored = store.add_video(download, extension="mp4", tick=lambda: None)
        assert collector.collect() == 0
    assert (store.root / stored.path).read_bytes() == b"the same bytes"
    assert collector.collect() == 1


def test_what_is_taken_over_while_it_is_moved_aside_comes_back(
    pipeline: Pipeline, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_orphans(store)
    collector = Collector(pipeline)
    collector.collect()
    rename = Path.rename

    def take_over_and_rename(path: Path, target: Path) -> Path:
        if "orphans" in target.parts:
            path.touch()
        return rename(path, target)

    before = pipeline.files(".")
    monkeypatch.setattr(Path, "rename", take_over_and_rename)
    assert collector.collect() == 0
    assert pipeline.files(".") == before


def test_files_of_an_earlier_database_stay(pipeline: Pipeline, store: Store) -> None:
    """Else an empty database, or yesterday's, would cost everything that it does not know."""
    add_orphans(store)
    before = pipeline.files(".")
    made = pipeline.db.execute(
        "SELECT (pg_stat_file('base/' || oid || '/PG_VERSION')).modification AS made"
        " FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert made is not None
    earlier = made["made"].timestamp() - 1
    for path in (
        store.video_path(SHA, "mp4"),
        *(store.root / kind / SHA for kind in ("frames", "embeddings")),
    ):
        for each in (path, *path.iterdir()) if path.is_dir() else (path,):
            os.utime(each, (earlier, earlier))
    collector = Collector(pipeline)
    assert [collector.collect() for _ in range(3)] == [0, 0, 0]
    assert collector.collector.older == 3
    assert pipeline.files(".") == before


def test_clocks_may_differ(pipeline: Pipeline, store: Store) -> None:
    add_orphans(store)
    collector = Collector(pipeline, clocks_s=3600)
    assert [collector.collect() for _ in range(3)] == [0, 0, 0]


def test_a_role_that_may_not_look_removes_nothing(pipeline: Pipeline, store: Store) -> None:
    add_orphans(store)
    pipeline.db.execute("CREATE ROLE narrow NOLOGIN; GRANT pg_read_all_data TO narrow; SET ROLE narrow")
    collector = Collector(pipeline)
    assert [collector.collect() for _ in range(3)] == [0, 0, 0]
    pipeline.db.execute("RESET ROLE; DROP ROLE narrow")
