"""What stages ask of models, and the models of one worker, loaded when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_miner.config import AppConfig
from data_miner.errors import NotReadyError

Vectors = NDArray[np.float32]
Model = TypeVar("Model")


class GpuFullError(NotReadyError):
    """The memory of the GPU is taken; all pods of a machine share it."""


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """What a detector found in one picture, in no order."""

    #: xyxy in pixels of the picture, float32, shape (n, 4)
    xyxy: Vectors
    #: 0 to 1, float32, shape (n,)
    scores: Vectors
    #: the prompt of each
    labels: list[str]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)


class Matcher(Protocol):
    """Compares pictures with texts."""

    def prepare(self, image: Image.Image) -> Any:
        """Return what ``embed`` takes of a picture; several threads may ask at once."""

    def embed(self, prepared: Sequence[Any]) -> Vectors:
        """Return unit vectors of pictures, shape (pictures, dimensions).

        Raises:
            NotReadyError: others have the GPU's memory now.
            RetryableError: the GPU's memory is too small for it.
            BrokenProcessError: the GPU failed.
        """

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (texts, dimensions).

        Raises:
            NotReadyError: others have the GPU's memory now.
            RetryableError: the GPU's memory is too small for it.
            BrokenProcessError: the GPU failed.
        """

    def probabilities(self, images: Vectors, texts: Vectors) -> Vectors:
        """Return how well each picture fits each text, 0 to 1 and each by itself, shape (images, texts)."""


class Detector(Protocol):
    """Finds what texts name in pictures."""

    def prepare(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> Any:
        """Return what ``detect`` takes of pictures; several threads may ask at once."""

    def detect(self, prepared: Any, *, floor: float, text_threshold: float) -> list[Boxes]:
        """Return of each picture every box whose score is at least ``floor``, overlapping ones included.

        Raises:
            NotReadyError: others have the GPU's memory now.
            RetryableError: the GPU's memory is too small for it.
            BrokenProcessError: the GPU failed.
        """


class Models(Protocol):
    """The models of a worker."""

    def matcher(self, name: str) -> Matcher:
        """Return a model that compares pictures with texts.

        Raises:
            NotReadyError: it can't be had now.
            BrokenProcessError: the GPU failed.
        """

    def detector(self, name: str) -> Detector:
        """Return a model that finds objects.

        Raises:
            NotReadyError: it can't be had now.
            BrokenProcessError: the GPU failed.
        """


class LoadedModels:
    """Loads models when they are first asked for, and keeps the last one of each kind in memory.

    Args:
        config: says on which device they run and where they lie.
        moved: called now and then while a model comes from a hub.
    """

    def __init__(self, config: AppConfig, moved: Callable[[], None]) -> None:
        self.device = config.device
        self._moved = moved
        self.directory: Path = config.models_dir or config.output_dir / "models"
        self._matcher: tuple[str, Matcher] | None = None
        self._detector: tuple[str, Detector] | None = None

    def matcher(self, name: str) -> Matcher:
        """Return a model that compares pictures with texts.

        Raises:
            NotReadyError: it can't be had now.
            BrokenProcessError: the GPU failed.
        """
        if self._matcher is None or self._matcher[0] != name:
            from data_miner.models import siglip  # noqa: PLC0415 - needs torch, which not every image has

            self._matcher = None
            self._matcher = (name, self._loaded(siglip.load, name))
        return self._matcher[1]

    def detector(self, name: str) -> Detector:
        """Return a model that finds objects.

        Raises:
            NotReadyError: it can't be had now.
            BrokenProcessError: the GPU failed.
        """
        if self._detector is None or self._detector[0] != name:
            from data_miner.models import zero_shot  # noqa: PLC0415 - needs torch, which not every image has

            self._detector = None
            self._detector = (name, self._loaded(zero_shot.load, name))
        return self._detector[1]

    def _loaded(self, load: Callable[[str, Path, str, Callable[[], None]], Model], name: str) -> Model:
        """Load a model; where the GPU has no place for it beside the other one, instead of that."""
        try:
            return load(name, self.directory, self.device, self._moved)
        except GpuFullError:
            if self._matcher is None and self._detector is None:
                raise
        self._matcher = self._detector = None
        return load(name, self.directory, self.device, self._moved)
