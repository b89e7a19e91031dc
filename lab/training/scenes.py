"""The pictures that the lab's models learn from: frames of the lab's clips, and photos that packages ship."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import av
import numpy as np
import yaml
from PIL import Image

#: xyxy as shares of the picture
Box = tuple[float, float, float, float]

#: photo, concepts, and boxes of those where the eye can draw one
PHOTOS: dict[str, tuple[list[str], dict[str, Box]]] = {
    "astronaut.png": (["astronaut"], {"face": (0.33, 0.03, 0.62, 0.32)}),
    "chelsea.png": (["cat"], {"cat": (0.02, 0.0, 0.88, 1.0)}),
    "coffee.png": (["coffee cup"], {"coffee cup": (0.13, 0.02, 0.82, 0.98)}),
    "motorcycle_left.png": (["motorcycle"], {"motorcycle": (0.15, 0.14, 0.91, 0.91)}),
    "rocket.jpg": (["rocket"], {}),
    "hubble_deep_field.jpg": (["galaxies"], {}),
    "page.png": (["page"], {}),
    "text.png": (["page"], {}),
    "coins.png": (["coins"], {}),
    "camera.png": (["camera", "man"], {}),
    "brick.png": (["bricks"], {}),
    "grass.png": (["meadow"], {}),
    "gravel.png": (["gravel"], {}),
    "china.jpg": (["temple"], {"temple": (0.13, 0.06, 0.57, 0.78)}),
    "flower.jpg": (["flower"], {"flower": (0.25, 0.2, 0.68, 0.80)}),
}
#: blocks of six frames: of every four blocks the last is held out
_BLOCK, _BLOCKS = 6, 4


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture."""

    image: Image.Image
    #: a clip's id or a photo's file name
    source: str
    frame: int
    concepts: frozenset[str]
    boxes: list[tuple[str, Box]] = field(default_factory=list)
    #: whether the list of boxes is complete for the labels that have boxes anywhere
    boxed: bool = True

    @property
    def held_out(self) -> bool:
        """Whether it is for measuring, not for learning. Clips in a lower quality are only measured."""
        return self.source.endswith("-again") or (self.frame // _BLOCK) % _BLOCKS == _BLOCKS - 1


def scenes(truth: Path, clips: Path, photos: Path) -> Iterator[Scene]:
    """Yield all pictures.

    Args:
        truth: lab/truth.yaml.
        clips: directory of the clips.
        photos: directory of the wheels that hold the photos.
    """
    yield from clip_scenes(truth, clips)
    for name, image in _photos(photos):
        concepts, boxes = PHOTOS[name]
        yield Scene(
            image=image, source=name, frame=0, concepts=frozenset(concepts), boxes=list(boxes.items())
        )


def clip_scenes(truth: Path, clips: Path) -> Iterator[Scene]:
    """Yield the frames of the clips that somebody looked at."""
    for name, clip in yaml.safe_load(truth.read_text("utf-8")).items():
        yield from _clip(name, clips / f"{name}.mp4", clip)


def _photos(wheels: Path) -> Iterator[tuple[str, Image.Image]]:
    found = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                name = PurePosixPath(member).name
                if name in PHOTOS and name not in found:
                    with archive.open(member) as file, Image.open(file) as image:
                        found[name] = image.convert("RGB")
    for name in PHOTOS:
        yield name, found[name]


def _clip(name: str, file: Path, clip: dict[str, Any]) -> Iterator[Scene]:
    # A turning planet looks the same for a while.
    step = 7 if "bright" in clip else 1
    with av.open(str(file)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            shown = concepts_at(clip, number)
            if number % step or not shown:
                continue
            image = Image.fromarray(frame.to_ndarray(format="rgb24"))
            found = boxes_at(clip, number, image)
            yield Scene(
                image=image,
                source=name,
                frame=number,
                concepts=shown | {label for label, _ in found or []},
                boxes=found or [],
                boxed=found is not None,
            )


def concepts_at(clip: dict[str, Any], frame: int) -> frozenset[str]:
    """Return what a frame of a clip shows; nothing where nobody has said."""
    return frozenset(
        concept for part in clip["shows"] if _within(frame, part) for concept in part["concepts"]
    )


def boxes_at(clip: dict[str, Any], frame: int, image: Image.Image) -> list[tuple[str, Box]] | None:
    """Return the boxes in a frame of a clip, or None where nobody drew any."""
    ranges = [part for part in clip.get("boxes", []) if _within(frame, part)]
    bright = clip.get("bright")
    if bright and _within(frame, bright):
        return [(bright["label"], _bright_box(image, bright["above"]))]
    if not ranges:
        return None
    return [(part["label"], _between(part["at"], frame)) for part in ranges if part["at"]]


def _within(frame: int, part: dict[str, Any]) -> bool:
    first, last = part["frames"]
    return bool(first <= frame <= last)


def _between(at: dict[int, list[float]], frame: int) -> Box:
    numbers = sorted(at)
    sides = [float(np.interp(frame, numbers, [at[number][side] for number in numbers])) for side in range(4)]
    return sides[0], sides[1], sides[2], sides[3]


def _bright_box(image: Image.Image, above: int) -> Box:
    bright = np.asarray(image.convert("L")) > above
    height, width = bright.shape
    rows = np.flatnonzero(bright.mean(axis=1) > 0.02)
    columns = np.flatnonzero(bright.mean(axis=0) > 0.02)
    if not len(rows) or not len(columns):
        return 0.0, 0.0, 1.0, 1.0
    return (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )
