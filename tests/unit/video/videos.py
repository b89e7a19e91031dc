"""Little videos of many kinds, made when a test asks for them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from data_miner.config.model import ExtractConfig
from data_miner.workers.extract import Cut, cut_frames

Pixels = NDArray[Any]


def grey(level: float, *, width: int = 64, height: int = 48) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def moving(number: int) -> Pixels:
    """A picture that differs from those before and after it."""
    return grey(number * 37 % 256)


def write_video(
    file: Path,
    pictures: Iterable[Pixels],
    *,
    codec: str = "libx264",
    times_ms: Iterable[int] | None = None,
    fps: int = 10,
    pix_fmt: str = "yuv420p",
    colorspace: Colorspace | None = None,
    options: dict[str, str] | None = None,
    set_up: Callable[[Any], None] = lambda _: None,
) -> Path:
    """Encode pictures, evenly in time or at given times."""
    with av.open(str(file), "w") as container:
        stream: Any = None
        times = iter(times_ms) if times_ms is not None else None
        for number, pixels in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=fps, options=options or {})
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = pix_fmt
                stream.codec_context.time_base = Fraction(1, 1000)
                set_up(stream.codec_context)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le" if pixels.itemsize > 1 else "rgb24")
            frame = frame.reformat(format=pix_fmt, dst_colorspace=colorspace)
            frame.pts = next(times) if times else round(number * 1000 / fps)
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def turned(file: Path) -> Path:
    """Say in an mp4's track header that it is to be shown a quarter turn clockwise, as phones do."""
    data = file.read_bytes()
    matrix = data.index(b"tkhd") + 4 + 40
    one = 0x10000
    rotated = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 0x40000000)
    file.write_bytes(data[:matrix] + rotated + data[matrix + 36 :])
    return file


def extract_config(**changes: Any) -> ExtractConfig:
    return ExtractConfig(
        **{
            "mode": "fps",
            "fps": 1.0,
            "scene_change": 0.1,
            "min_difference": 0.0,
            "max_frames": 1000,
            "jpeg_quality": 90,
            **changes,
        }
    )


def cut(file: Path, **changes: Any) -> tuple[Cut, list[int]]:
    """Cut a video; returns what came of it, and the times of the frames in ms."""
    directory = file.parent / "frames"
    directory.mkdir(exist_ok=True)
    done = cut_frames(file, directory, extract_config(**changes), lambda _=0: None)
    return done, sorted(int(path.stem) for path in directory.glob("*.jpg"))
