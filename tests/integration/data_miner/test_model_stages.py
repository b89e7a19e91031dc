"""From frames to boxes: the stages around the models, with models that see brightness only."""

from __future__ import annotations

from typing import Any

import pytest

from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.db.projects import save_project
from data_miner.queue.items import NewItem, Outcome, State
from data_miner.queue.leases import claim, complete, enqueue
from data_miner.queue.records import Candidate, FramesCompared, Pair, StaleError
from data_miner.workers.base import Worker

from .fake_models import FakeModels
from .pipeline import Pipeline
from .settings import settings
from .site import Site, make_video


def rows(pipeline: Pipeline, query: str) -> list[Any]:
    return [tuple(row.values()) for row in pipeline.db.execute(query).fetchall()]


def kept(pipeline: Pipeline) -> set[tuple[str, int]]:
    return set(rows(pipeline, "SELECT video, time_ms FROM dedup_frame WHERE kept"))


@pytest.fixture
def models(pipeline: Pipeline) -> FakeModels:
    assert isinstance(pipeline.models, FakeModels)
    return pipeline.models


def test_frames_that_fit_are_kept_once_and_boxed(pipeline: Pipeline, site: Site, models: FakeModels) -> None:
    url = site.add("/a.mp4", make_video(seconds=3))
    pipeline.run(pipeline.config(urls=[url], **settings()))
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}
    ((passed,),) = rows(pipeline, "SELECT passed_ms FROM filtered")
    assert passed == list(range(0, 1100, 100))  # each frame is brighter by 7 of 255
    assert 1 < len(kept(pipeline)) < len(passed)
    boxes = rows(pipeline, "SELECT label, round(score::numeric, 1), x1, y1, x2, y2 FROM object_box")
    assert len(boxes) == len(kept(pipeline))
    assert {tuple(map(float, box[1:])) for box in boxes} == {(0.9, 16.0, 12.0, 48.0, 36.0)}
    assert models.fake_detector.images == len(kept(pipeline))


def test_the_same_pictures_in_two_videos_are_kept_once(pipeline: Pipeline, site: Site) -> None:
    urls = [site.add("/a.mp4", make_video()), site.add("/b.mp4", make_video(seconds=1.9))]
    pipeline.run(pipeline.config(urls=urls, **settings()))
    times = [time_ms for _, time_ms in kept(pipeline)]
    assert len(times) == len(set(times))
    groups = rows(
        pipeline,
        "SELECT time_ms, keeper_ms FROM dedup_frame WHERE NOT kept AND keeper_video IS NOT NULL",
    )
    assert groups
    assert all(abs(time_ms - keeper_ms) <= 200 for time_ms, keeper_ms in groups)


def test_the_order_of_videos_does_not_decide_what_is_kept(pipeline: Pipeline, site: Site) -> None:
    videos = {f"/{shade}.mp4": make_video(seconds=1, shade=shade) for shade in (0, 3, 10)}
    results = []
    for names in (sorted(videos), sorted(videos, reverse=True)):
        pipeline.db.execute("DELETE FROM project")
        for name in names:
            urls = [site.add(other, videos[other]) for other in names[: names.index(name) + 1]]
            pipeline.run(pipeline.config(urls=urls, **settings()))
        results.append(kept(pipeline))
    assert results[0] == results[1]


def test_workers_forget_a_project_that_was_deleted_and_made_again(
    pipeline: Pipeline, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: dict[str, Any] = {}

    class SameWorker(Worker):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._memory = memory

    monkeypatch.setattr("tests.integration.data_miner.pipeline.Worker", SameWorker)
    urls = [site.add("/a.mp4", make_video()), site.add("/b.mp4", make_video(seconds=1.9))]
    results = []
    for _ in range(2):
        pipeline.run(pipeline.config(urls=urls, **settings()))
        assert {state for state, _ in pipeline.items().values()} == {State.DONE}
        results.append(kept(pipeline))
        pipeline.db.execute("DELETE FROM project")
    assert "catalogue" in memory
    assert results[0] == results[1]


def test_workers_that_compare_at_the_same_time_keep_no_duplicate(pipeline: Pipeline, site: Site) -> None:
    urls = [site.add(f"/{number}.mp4", make_video(seconds=1 + number / 10)) for number in range(6)]
    pipeline.run(pipeline.config(urls=urls, **settings()), replicas=3)
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}
    times = [time_ms for _, time_ms in kept(pipeline)]
    assert len(times) == len(set(times))
    assert 1 < len(times) < 11
    boxed = set(rows(pipeline, "SELECT video, time_ms FROM object_box"))
    assert kept(pipeline) <= boxed


def test_what_was_compared_with_less_than_there_is_now_is_compared_again(
    pipeline: Pipeline, site: Site, db: Connection
) -> None:
    pipeline.run(pipeline.config(urls=[site.add("/a.mp4", make_video())], **settings()))
    (scope,) = {row["params_hash"] for row in db.execute("SELECT params_hash FROM dedup_frame").fetchall()}
    enqueue(db, [NewItem(project="p", stage=Stage.DEDUP, key="b", params={})])
    (item,) = claim(db, Stage.DEDUP, worker="w", node="n", limit=1, lease_s=30)
    compared = FramesCompared(sha256="b", frames_hash="f", known=0, frames=[], pairs=[])
    with pytest.raises(StaleError):
        complete(db, [(item._replace(params_hash=scope), Outcome(records=[compared]))])
    assert rows(pipeline, "SELECT state FROM item WHERE key = 'b'") == [("leased",)]


def test_a_frame_that_was_pruned_is_not_kept_again(pipeline: Pipeline, db: Connection) -> None:
    """The middle one of three is like both others, and stands for the smallest until the largest comes."""
    save_project(db, pipeline.config())
    known = 0
    for video, pixels, like in (("middle", 20, None), ("smallest", 10, "middle"), ("largest", 30, "middle")):
        db.execute("INSERT INTO video VALUES (%s, '', 0)", [video])
        db.execute("INSERT INTO frameset VALUES ('p', %s, 'f', '', 1, 1, 1)", [video])
        pairs = [Pair(time_ms=0, other_video=like, other_ms=0, similarity=1, distance=None)] if like else []
        compared = FramesCompared(
            sha256=video,
            frames_hash="f",
            known=known,
            frames=[Candidate(time_ms=0, phash=None, pixels=pixels, size_bytes=1)],
            pairs=pairs,
        )
        enqueue(db, [NewItem(project="p", stage=Stage.DEDUP, key=video)])
        (item,) = claim(db, Stage.DEDUP, worker="w", node="n", limit=1, lease_s=30)
        complete(db, [(item, Outcome(records=[compared]))])
        ((known,),) = rows(pipeline, "SELECT max(number) FROM dedup_frame")
        db.execute("UPDATE frameset SET pruned_at = now() WHERE video = 'smallest'")
    assert kept(pipeline) == {("largest", 0)}


def test_running_again_looks_at_nothing_again(pipeline: Pipeline, site: Site, models: FakeModels) -> None:
    config = pipeline.config(urls=[site.add("/a.mp4", make_video())], **settings())
    pipeline.run(config)
    before = (models.fake_matcher.images, models.fake_detector.images, pipeline.items())
    pipeline.run(config)
    assert (models.fake_matcher.images, models.fake_detector.images, pipeline.items()) == before


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"filter": {"threshold": 0.85}}, {"filtered", "dedup_frame", "object_box"}),
        # What is left was looked at before.
        ({"filter": {"thresholds": {"dark": 0.97}}}, {"filtered", "dedup_frame"}),
        ({"dedup": {"embedding_min_similarity": 0.9999}}, {"dedup_frame", "object_box"}),
        ({"detect": {"box_threshold": 0.15}}, {"object_box"}),
        ({"detect": {"nms_iou": 0.95}}, {"object_box"}),
    ],
)
def test_another_threshold_changes_results_without_the_filters_model(
    pipeline: Pipeline, site: Site, models: FakeModels, change: dict[str, Any], changed: set[str]
) -> None:
    urls = [site.add("/a.mp4", make_video())]
    pipeline.run(pipeline.config(urls=urls, **settings()))
    tables = ("filtered", "dedup_frame", "object_box")
    before = {table: rows(pipeline, f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608
    seen, looked = models.fake_matcher.images, models.fake_detector.images
    pipeline.run(pipeline.config(urls=urls, **settings(**change)))
    after = {table: rows(pipeline, f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608
    assert {table for table in tables if before[table] != after[table]} == changed
    assert models.fake_matcher.images == seen
    if "detect" in change:
        assert models.fake_detector.images == looked
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}


def test_a_missing_model_burns_no_attempt(pipeline: Pipeline, site: Site) -> None:
    pipeline.models = FakeModels(empty=True)
    config = pipeline.config(urls=[site.add("/a.mp4", make_video())], **settings())
    pipeline.run(config, until="stage = 'filter' AND error LIKE '%is not here'")
    assert rows(pipeline, "SELECT state, attempts FROM item WHERE stage = 'filter'") == [("ready", 0)]
