"""Videos as they come: each ends in frames, or in an error that says why there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av.video.reformatter import Colorspace
from PIL import Image

from data_miner.errors import PermanentError

from .videos import cut, grey, moving, turned, write_video


def first(file: Path) -> Image.Image:
    return Image.open(min((file.parent / "frames").glob("*.jpg")))


def test_a_file_that_is_cut_off_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    file = write_video(tmp_path / "v.mkv", map(moving, range(100)))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    _, times = cut(file)
    assert times[0] == 0
    assert 0 < len(times) < 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"<!DOCTYPE html><html><p>Log in", "web page"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(2000), "not a readable video, perhaps cut off"),
        (b"\x1a\x45\xdf\xa3webm" + bytes(2000), "not a readable video, perhaps cut off"),
    ],
)
def test_what_has_no_frame_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "v.mp4"
    file.write_bytes(content)
    with pytest.raises(PermanentError, match=reason):
        cut(file)


def test_a_turned_video_gives_upright_frames(tmp_path: Path) -> None:
    picture = grey(20, width=64, height=32)
    picture[:16] = 230
    cut(turned(write_video(tmp_path / "v.mp4", [picture] * 10)))
    image = first(tmp_path / "v.mp4")
    assert image.size == (32, 64)
    levels = np.asarray(image.convert("L"))
    assert levels[:, :12].mean() < 60
    assert levels[:, 20:].mean() > 200


def test_a_variable_rate_gives_frames_by_time(tmp_path: Path) -> None:
    times = [0, 40, 80, 900, 1100, 1140, 5000, 5040, 9000]
    file = write_video(tmp_path / "v.mp4", map(moving, range(len(times))), times_ms=times)
    assert cut(file)[1] == [0, 1100, 5000, 9000]


@pytest.mark.parametrize(("curve", "white"), [(16, 0.5807), (18, 0.75)])
def test_white_in_hdr_is_white_and_not_grey(tmp_path: Path, curve: int, white: float) -> None:
    pixels = np.full((48, 64, 3), round(white * 65535), np.uint16)

    def tag(codec: object) -> None:
        codec.color_trc, codec.color_primaries, codec.colorspace = curve, 9, 9  # type: ignore[attr-defined]

    file = write_video(tmp_path / "v.mp4", [pixels] * 10, pix_fmt="yuv420p10le", set_up=tag)
    cut(file)
    assert np.asarray(first(file)).mean() > 225


def test_high_definition_has_its_own_colours(tmp_path: Path) -> None:
    green = np.zeros((720, 1280, 3), np.uint8)
    green[:] = (30, 200, 60)

    cut(write_video(tmp_path / "v.mp4", [green] * 3, colorspace=Colorspace.ITU709))
    assert np.abs(np.asarray(first(tmp_path / "v.mp4")).mean(axis=(0, 1)) - (30, 200, 60)).max() < 8


def test_frames_of_8k_are_scaled_down_as_asked(tmp_path: Path) -> None:
    pixels = np.zeros((4320, 7680, 3), np.uint8)
    pixels[:2160] = 200
    file = write_video(tmp_path / "v.mkv", [pixels] * 2, codec="mjpeg", pix_fmt="yuvj420p")
    done, _ = cut(file, max_side=1280)
    assert (done.width, done.height) == (1280, 720)
