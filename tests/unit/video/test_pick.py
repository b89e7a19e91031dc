"""Which frames are taken, whatever the encoder made of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_miner.video.pick import Grid, pick

from .videos import cut, grey, moving, write_video


def taken_ms(file: Path, fps: float) -> list[int]:
    with av.open(str(file)) as container:
        picked = pick(container, mode="fps", fps=fps, scene_change=0, tick=lambda: None)
        return [round(since_s * 1000) for since_s, _ in picked]


def taken_by_decoding_all_ms(file: Path, fps: float) -> list[int]:
    grid = Grid(1 / fps)
    with av.open(str(file)) as container:
        times = [grid.take(frame.time) for frame in container.decode(video=0) if frame.time is not None]
    return [round(since_s * 1000) for since_s in times if since_s is not None]


@settings(max_examples=25, deadline=None)
@given(
    gaps_ms=st.lists(st.integers(10, 400), min_size=10, max_size=90),
    fps=st.sampled_from([0.2, 1, 2, 7, 30]),
    kind=st.sampled_from([("libx264", "mp4"), ("libx264", "ts"), ("mpeg4", "mp4"), ("libx265", "mkv")]),
    between=st.integers(0, 8),
    gop=st.integers(1, 60),
)
def test_frames_that_are_not_decoded_change_nothing(
    gaps_ms: list[int], *, fps: float, kind: tuple[str, str], between: int, gop: int
) -> None:
    codec, container = kind
    times = [sum(gaps_ms[:count]) for count in range(len(gaps_ms))]
    kinds = {"g": str(gop), "bf": str(0 if codec == "mpeg4" else between)}
    if codec == "libx265":
        kinds = {"x265-params": f"keyint={gop}:bframes={between}:log-level=none"}
    with tempfile.TemporaryDirectory() as directory:
        file = write_video(
            Path(directory) / f"video.{container}",
            [moving(number) for number in range(len(times))],
            codec=codec,
            times_ms=times,
            options=kinds,
        )
        assert taken_ms(file, fps) == taken_by_decoding_all_ms(file, fps)


@given(
    gaps_s=st.lists(st.floats(0.001, 5), min_size=1, max_size=50),
    step_s=st.floats(0.01, 10),
)
def test_a_grid_takes_one_frame_for_each_step_that_has_one(gaps_s: list[float], step_s: float) -> None:
    grid = Grid(step_s)
    times = [sum(gaps_s[:count]) for count in range(len(gaps_s))]
    taken = [since_s for time_s in times if (since_s := grid.take(time_s)) is not None]
    steps = [int((since_s + 0.0005) / step_s) for since_s in taken]
    assert taken[0] == 0
    assert steps == sorted(set(steps))


def test_every_key_frame_is_taken_and_no_other(tmp_path: Path) -> None:
    options = {"g": "10", "keyint_min": "10", "sc_threshold": "0"}
    file = write_video(tmp_path / "v.mp4", map(moving, range(30)), options=options)
    assert cut(file, mode="keyframes")[1] == [0, 1000, 2000]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_scene_is_taken_at_its_start(tmp_path: Path, codec: str) -> None:
    scenes = [grey(level + number % 3) for level in (20, 200, 90) for number in range(20)]
    file = write_video(tmp_path / "v.mp4", scenes, codec=codec, options={"bf": "0"})
    assert cut(file, mode="scenes")[1] == [0, 2000, 4000]


def test_frames_that_repeat_one_of_the_last_are_dropped_and_counted(tmp_path: Path) -> None:
    there_and_back = [grey(level) for level in (20, 200, 20, 200, 90) for _ in range(10)]
    done, times = cut(write_video(tmp_path / "v.mp4", there_and_back), min_difference=0.02)
    assert times == [0, 1000, 4000]
    assert (done.frames, done.near_duplicates) == (3, 2)


def test_something_small_that_moves_makes_a_frame_new(tmp_path: Path) -> None:
    pictures = []
    for second in range(3):
        picture = grey(20, width=640, height=480)
        picture[100:130, 100 * second : 100 * second + 30] = 250
        pictures += [picture] * 10
    assert cut(write_video(tmp_path / "v.mp4", pictures), min_difference=0.02)[1] == [0, 1000, 2000]


def test_no_more_frames_are_cut_than_allowed(tmp_path: Path) -> None:
    file = write_video(tmp_path / "v.mp4", map(moving, range(50)))
    assert cut(file, max_frames=3)[1] == [0, 1000, 2000]
