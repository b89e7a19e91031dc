"""The lab's models at work: what the pipeline keeps and boxes, against what a person saw in the clips."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from lab.training.scenes import concepts_at
from tests.e2e.lab import ROOT, Lab, Run, wait_for
from tests.models.truth import Tally, tally, total

TRUTH = yaml.safe_load((ROOT / "lab/truth.yaml").read_text("utf-8"))
TITLES = {clip["title"]: clip["id"] for clip in yaml.safe_load((ROOT / "lab/clips.yaml").read_text("utf-8"))}
STAGES = ("filter", "dedup", "detect")
#: the concepts that the demo's prompts ask for, and those that they refuse
WANTED, REFUSED = {"bicycle", "rabbit", "bow tie", "planet earth"}, {"van roof"}
LABELS = ("bicycle", "rabbit", "face", "bow tie", "planet earth")

FRAMES = """
WITH last AS (
    SELECT DISTINCT ON (stage) stage, params_hash FROM item
    WHERE project = 'demo' AND stage IN ('filter', 'dedup') ORDER BY stage, id DESC
)
SELECT json_agg(json_build_array(origin.metadata ->> 'title', time.time_ms,
    time.time_ms = ANY(filtered.passed_ms), coalesce(frame.kept, false),
    array(SELECT label FROM object_box AS box WHERE box.video = scores.video AND box.time_ms = time.time_ms)))
FROM frame_scores AS scores
JOIN video_origin AS origin ON origin.video = scores.video
JOIN last AS filter ON filter.stage = 'filter'
JOIN last AS dedup ON dedup.stage = 'dedup'
JOIN filtered ON filtered.video = scores.video AND filtered.params_hash = filter.params_hash
CROSS JOIN unnest(scores.times_ms) AS time (time_ms)
LEFT JOIN dedup_frame AS frame ON frame.video = scores.video AND frame.time_ms = time.time_ms
    AND frame.params_hash = dedup.params_hash
"""


class Frame:
    """One frame that was cut from a clip: what it shows, and what became of it."""

    def __init__(self, title: str, time_ms: int, passed: bool, kept: bool, labels: list[str]) -> None:
        self.clip, self.time_ms = TITLES[title], time_ms
        self.passed, self.kept, self.labels = passed, kept, labels
        clip = TRUTH[self.clip]
        self.shows = concepts_at(clip, round(time_ms / 1000 * clip["fps"]))


@pytest.fixture(scope="module")
def frames(deployed: tuple[Lab, Run]) -> list[Frame]:
    """Every frame of the demo that the truth says something about."""
    lab, _ = deployed

    def finished() -> bool:
        stages = lab.status()["projects"]["demo"]["stages"]
        assert sum(stage["dead"] for stage in stages.values()) == 0
        started = all(name in stages and stages[name]["done"] for name in STAGES)
        return started and not sum(stage["ready"] + stage["leased"] for stage in stages.values())

    wait_for("all stages are done", finished, timeout_s=300)
    psql = ("psql", "-U", "postgres", "-d", "data_miner", "-Atc", FRAMES)
    said = lab.kubectl("exec", "-n", "data-miner", "postgres-0", "--", *psql)
    rows: list[list[Any]] = json.loads(said)
    return [frame for row in rows if (frame := Frame(*row)).shows]


def test_frames_that_fit_the_prompts_pass(frames: list[Frame]) -> None:
    truth = [bool(frame.shows & WANTED) and not frame.shows & REFUSED for frame in frames]
    counts = tally(truth, [frame.passed for frame in frames])
    print(f"filter: {counts}")
    assert counts.recall >= 0.9
    assert counts.precision >= 0.9


def test_the_clip_that_was_posted_again_adds_no_frame(frames: list[Frame]) -> None:
    both = [
        {frame.time_ms: frame.kept for frame in frames if frame.clip == clip and frame.passed}
        for clip in ("carphone", "carphone-again")
    ]
    kept = {time_ms for times in both for time_ms, kept in times.items() if kept}
    twice = [time_ms for time_ms in kept if both[0].get(time_ms) and both[1].get(time_ms)]
    print(f"dedup: {len(kept)} of {len(both[0]) + len(both[1])} frames of the two kept, {len(twice)} twice")
    assert kept
    assert not twice


def test_objects_are_boxed_where_they_are_shown(frames: list[Frame]) -> None:
    counts = {label: Tally() for label in LABELS}
    for frame in frames:
        shows = frame.shows | ({"face"} if "man" in frame.shows else set())
        if not frame.kept:
            continue
        for label, tallied in counts.items():
            tallied.found += label in frame.labels and label in shows
            tallied.missed += label not in frame.labels and label in shows
            tallied.wrong += label in frame.labels and label not in shows
    for label, tallied in counts.items():
        print(f"detect: {label}: {tallied}")
    every = total(counts.values())
    print(f"detect: all: {every}")
    assert every.recall >= 0.8
    assert every.precision >= 0.8
