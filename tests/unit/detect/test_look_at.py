"""Pictures and their tiles go through a detector in batches, and each box comes back to its picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_miner.config import Layer, load_app_config, validate
from data_miner.config.model import DetectConfig
from data_miner.detect.tiles import tiles
from data_miner.models.provider import Boxes
from data_miner.threads import Threads
from data_miner.workers.detect import look_at


class WholePictures:
    """Says that each picture is one object as big as it is, named by its first pixel."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def prepare(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[tuple[int, int, str]]:
        return [(image.width, image.height, f"{prompts[0]} {image.getpixel((0, 0))}") for image in images]

    def detect(
        self, prepared: list[tuple[int, int, str]], *, floor: float, text_threshold: float
    ) -> list[Boxes]:
        self.batches.append(len(prepared))
        return [
            Boxes(
                xyxy=np.array([[0, 0, width, height]], np.float32),
                scores=np.array([0.9], np.float32),
                labels=[label],
            )
            for width, height, label in prepared
        ]


def detect_config(batch_size: int, tile_side: int | None) -> DetectConfig:
    detect = {"prompts": ["door"], "batch_size": batch_size, "tile_side": tile_side}
    layer = Layer(name="test", data={"project": "p", "detect": detect})
    return validate(load_app_config(None, layer)).detect


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), max_size=6),
    batch_size=st.integers(1, 5),
    tile_side=st.none() | st.integers(64, 200),
    count=st.integers(1, 3),
)
def test_each_picture_gets_its_own_boxes_and_those_of_its_tiles(
    sizes: list[tuple[int, int]], batch_size: int, tile_side: int | None, count: int
) -> None:
    params, detector = detect_config(batch_size, tile_side), WholePictures()
    images = [Image.new("L", size, number) for number, size in enumerate(sizes)]
    with Threads(count) as threads:
        found = list(look_at(detector, iter(images), params, floor=0.1, threads=threads))
    assert len(found) == len(images)
    for number, (boxes, (width, height)) in enumerate(zip(found, sizes, strict=True)):
        parts = [(0, 0, width, height)]
        if tile_side is not None:
            parts += tiles(width, height, side=tile_side, overlap=params.tile_overlap)
        assert [tuple(map(int, box)) for box in boxes.xyxy] == parts
        assert set(boxes.labels) == {f"door {number}"}
    assert all(size == batch_size for size in detector.batches[:-1])


def test_boxes_of_the_first_pictures_do_not_wait_for_the_last() -> None:
    detector, asked = WholePictures(), 0

    def images() -> Iterator[Image.Image]:
        nonlocal asked
        for _ in range(100):
            asked += 1
            yield Image.new("L", (100, 100))

    with Threads(2) as threads:
        next(look_at(detector, images(), detect_config(4, 64), floor=0.1, threads=threads))
    assert asked <= 4
    assert sum(detector.batches) <= 2 * 4
