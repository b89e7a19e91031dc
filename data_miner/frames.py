"""Reading the frames of a video from the store."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from data_miner.errors import RetryableError
from data_miner.mount import naming


def frame_times(directory: Path) -> list[int]:
    """Return the times of the frames in a directory, in milliseconds from the start, ascending.

    Raises:
        RetryableError: the directory is not there.
    """
    try:
        return sorted(int(entry.stem) for entry in directory.iterdir() if entry.suffix == ".jpg")
    except FileNotFoundError as error:
        raise RetryableError(f"{directory}: not in the store") from error


def frame_path(directory: Path, time_ms: int) -> Path:
    """Return the file of a frame."""
    return directory / f"{time_ms:09d}.jpg"


def read_frame(path: Path, *, side: int | None = None) -> Image.Image:
    """Return a frame, RGB.

    Args:
        path: of its file.
        side: where given, neither side needs more pixels; a JPEG is then decoded at a fraction of its size.

    Raises:
        RetryableError: the file is not there, or is damaged.
    """
    try:
        with naming(path), path.open("rb") as stream, Image.open(stream) as image:
            if side is not None:
                image.draft("RGB", (side, side))
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise RetryableError(f"{path}: not in the store") from error
    except (OSError, SyntaxError) as error:  # that is how Pillow says it
        if getattr(error, "errno", None) is not None:
            raise
        raise RetryableError(f"{path}: damaged: {error}") from error
