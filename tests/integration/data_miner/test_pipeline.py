"""From a site to frames: real HTTP, real yt-dlp, real decoding, a real database; workers in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from data_miner.queue.items import State
from data_miner.store import Store
from data_miner.workers.monitor import sweep

from .factories import begin_again
from .pipeline import Pipeline
from .site import Site, make_audio, make_video


def test_a_url_becomes_a_stored_video_and_frames(pipeline: Pipeline, site: Site) -> None:
    url = site.add("/bike.mp4", make_video(seconds=3))
    pipeline.run(pipeline.config(urls=[url], extract={"fps": 2}))
    assert {state for state, _ in pipeline.items().values()} == {"done"}
    (video,) = pipeline.files("videos")
    assert video.suffix == ".mp4"
    assert video.read_bytes() == site.pages["/bike.mp4"].body
    times = [path.name for path in pipeline.files("frames") if path.suffix == ".jpg"]
    assert times == [f"{ms:09d}.jpg" for ms in (0, 500, 1000, 1500, 2000, 2500)]
    assert pipeline.files("tmp") == []


def test_the_same_bytes_under_two_urls_are_stored_and_cut_once(pipeline: Pipeline, site: Site) -> None:
    video = make_video()
    urls = [site.add(path, video) for path in ("/one.mp4", "/two.mp4")]
    pipeline.run(pipeline.config(urls=urls))
    assert len(pipeline.files("videos")) == 1
    assert sum(name.startswith("extract") for name in pipeline.items()) == 1
    origins = pipeline.db.execute("SELECT key, metadata ->> 'title' AS title FROM video_origin").fetchall()
    assert {row["title"] for row in origins} == {"one", "two"}


def test_a_playlist_is_expanded_and_blocked_titles_are_never_fetched(pipeline: Pipeline, site: Site) -> None:
    good, bad = site.add("/good.mp4", make_video()), site.add("/bad.mp4", make_video(shade=50))
    feed = site.add_feed("/feed.rss", [("A door", good), ("A door #AIart", bad)])
    pipeline.run(pipeline.config(playlists=[feed]))
    assert pipeline.outcome(good)[0] == State.DONE
    assert f"download url:{bad}" not in pipeline.items()
    assert site.fetched("/bad.mp4") == 0


def test_running_again_fetches_and_cuts_nothing(pipeline: Pipeline, site: Site) -> None:
    config = pipeline.config(urls=[site.add("/a.mp4", make_video())])
    pipeline.run(config)
    before, asked = pipeline.items(), len(site.requests)
    pipeline.run(config)
    assert (pipeline.items(), len(site.requests)) == (before, asked)


def test_other_parameters_cut_again_without_downloading_again(pipeline: Pipeline, site: Site) -> None:
    url = site.add("/a.mp4", make_video())
    pipeline.run(pipeline.config(urls=[url], extract={"fps": 1}))
    asked = len(site.requests)
    pipeline.run(pipeline.config(urls=[url], extract={"fps": 5}))
    assert len(site.requests) == asked
    rows = pipeline.db.execute("SELECT frames FROM frameset ORDER BY frames").fetchall()
    assert [row["frames"] for row in rows] == [2, 10]


@pytest.mark.parametrize(
    ("limits", "reason"), [({"max_size_mib": 1}, "larger than 1 MiB"), ({"min_duration_s": 9}, None)]
)
def test_a_video_beyond_a_limit_is_skipped(
    pipeline: Pipeline, site: Site, limits: dict[str, Any], reason: str | None
) -> None:
    url = site.add("/big.mp4", make_video() + bytes(2 << 20))
    pipeline.run(pipeline.config(urls=[url], download={"min_duration_s": None, **limits}))
    assert pipeline.outcome(url) == ((State.SKIPPED, reason) if reason else (State.DONE, None))


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"", "video/mp4", "0 bytes"),
        (b"<!doctype html><p>Please log in", "video/mp4", "web page"),
        (b"\x00\x01garbage" * 50, "video/mp4", "not a known video container"),
    ],
)
def test_what_is_no_video_is_a_dead_letter_that_says_why(
    pipeline: Pipeline, site: Site, body: bytes, kind: str, reason: str
) -> None:
    url = site.add("/x.mp4", body, kind=kind)
    pipeline.run(pipeline.config(urls=[url], queue={"max_attempts": 2}))
    dead = [error for state, error in pipeline.items().values() if state == State.DEAD]
    assert len(dead) == 1
    assert reason in (dead[0] or "")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda video: video[: len(video) // 3], "not a readable video, perhaps cut off"),
        (lambda _: make_audio(), "has no video stream (only audio)"),
    ],
)
def test_a_damaged_video_is_a_dead_letter_that_says_why(
    pipeline: Pipeline, site: Site, damage: Callable[[bytes], bytes], reason: str
) -> None:
    url = site.add("/x.mp4", damage(make_video()))
    pipeline.run(pipeline.config(urls=[url]))
    (dead,) = [error for state, error in pipeline.items().values() if state == State.DEAD]
    assert reason in (dead or "")


@pytest.mark.parametrize(
    ("status", "blocks", "attempts"), [(404, 0, 1), (403, 2, 0), (429, 2, 0), (500, 0, 2), (302, 0, 1)]
)
def test_http_errors_are_permanent_blocking_or_transient(
    pipeline: Pipeline, site: Site, status: int, blocks: int, attempts: int
) -> None:
    url = site.add("/x.mp4", b"", status=status)
    breaker = {"pause_s": 0.05, "max_pause_s": 0.1, "max_blocks": 2}
    limits = {"min_duration_s": None, "retries": 0, "breaker": breaker}
    pipeline.run(pipeline.config(urls=[url], download=limits, queue={"max_attempts": 2}))
    row = pipeline.db.execute("SELECT state, blocks, attempts, error FROM item").fetchone()
    assert row is not None
    assert (row["state"], row["blocks"], row["attempts"]) == ("dead", blocks, attempts)
    assert str(status) in row["error"]


def test_leftovers_of_finished_items_are_swept_and_others_kept(pipeline: Pipeline, site: Site) -> None:
    config = pipeline.config(urls=[site.add("/a.mp4", make_video())])
    pipeline.run(config)
    (done,) = pipeline.db.execute("SELECT id FROM item WHERE stage = 'download'").fetchall()
    (ready,) = begin_again(pipeline.db, "stage = 'extract'")
    store = Store(pipeline.root, mount=None)
    for stage, number in (("download", done["id"]), ("extract", ready)):
        (store.root / "tmp" / stage / str(number) / "token").mkdir(parents=True)
    assert sweep(pipeline.db, store) == 1
    assert (store.workspaces("download"), store.workspaces("extract")) == ([], [ready])
