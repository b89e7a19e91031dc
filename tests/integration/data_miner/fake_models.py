"""Models for tests of the stages around them: they see brightness only, and count how often they look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from data_miner.errors import NotReadyError
from data_miner.models.provider import Boxes, Detector, Matcher, Vectors

_DIMENSIONS = 16


def _brightness(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L")).mean())


def _vector(value: float) -> Vectors:
    """A unit vector that turns with the value, a quarter circle for 0 to 255."""
    angle = value / 255 * np.pi / 2
    vector = np.zeros(_DIMENSIONS, np.float32)
    vector[:2] = np.cos(angle), np.sin(angle)
    return vector


class FakeMatcher:
    """Knows the texts `dark` and `bright`."""

    def __init__(self) -> None:
        self.images = 0

    def prepare(self, image: Image.Image) -> float:
        return _brightness(image)

    def embed(self, prepared: Sequence[float]) -> Vectors:
        self.images += len(prepared)
        return np.stack([_vector(brightness) for brightness in prepared])

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return np.stack([_vector({"dark": 0.0, "bright": 255.0}[text]) for text in texts])

    def probabilities(self, images: Vectors, texts: Vectors) -> Vectors:
        return np.asarray(np.clip(images @ texts.T, 0, 1), np.float32)


class FakeDetector:
    """Finds the middle of each picture twice, and something faint in a corner."""

    def __init__(self) -> None:
        self.images = 0

    def prepare(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[tuple[int, int, str]]:
        return [(image.width, image.height, prompts[0]) for image in images]

    def detect(
        self, prepared: list[tuple[int, int, str]], *, floor: float, text_threshold: float
    ) -> list[Boxes]:
        self.images += len(prepared)
        return [self._boxes(width, height, label, floor) for width, height, label in prepared]

    def _boxes(self, width: int, height: int, label: str, floor: float) -> Boxes:
        middle = np.array([0.25, 0.25, 0.75, 0.75], np.float32)
        shares = np.stack([middle, middle + np.float32(0.02), np.array([0, 0, 0.1, 0.1], np.float32)])
        scores = np.array([0.9, 0.8, 0.2], np.float32)
        boxes = shares * np.array([width, height, width, height], np.float32)
        rows = scores >= floor
        return Boxes(xyxy=boxes[rows], scores=scores[rows], labels=[label] * int(rows.sum()))


class FakeModels:
    """Has both, unless it is empty."""

    def __init__(self, *, empty: bool = False) -> None:
        self.empty = empty
        self.fake_matcher, self.fake_detector = FakeMatcher(), FakeDetector()

    def matcher(self, name: str) -> Matcher:
        self._check(name)
        return self.fake_matcher

    def detector(self, name: str) -> Detector:
        self._check(name)
        return self.fake_detector

    def _check(self, name: str) -> None:
        if self.empty:
            raise NotReadyError(f"model {name} is not here")
