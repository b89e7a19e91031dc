"""Frames as the page shows them: from the store and nowhere else, no larger than asked."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

from data_miner.frames import frame_path
from data_miner.store import Store

#: thumbnails, and the whole picture on a page of its own
SIDES = (256, 1600)
_VIDEO = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{16}")
_LAST_MS = 999_999_999


def picture_path(store: Store, video: str, frames_hash: str, time_ms: int) -> Path | None:
    """Return the file of a frame, or None where these are no names that the store gives.

    Links are followed first, so that nothing outside is ever read.
    """
    if not (_VIDEO.fullmatch(video) and _HASH.fullmatch(frames_hash) and 0 <= time_ms <= _LAST_MS):
        return None
    path = frame_path(store.frames_path(video, frames_hash), time_ms)
    try:
        real = path.resolve(strict=True)
    except OSError:
        return None
    return real if real.is_relative_to(store.root.resolve()) and real.is_file() else None


def scaled(path: Path, side: int) -> bytes:
    """Return a JPEG, neither side longer than ``side``; a smaller picture as it is."""
    with Image.open(path) as image:
        if max(image.size) <= side:
            return path.read_bytes()
        image.draft("RGB", (side, side))
        picture = image.convert("RGB")
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
