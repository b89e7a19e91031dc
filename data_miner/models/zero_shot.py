"""Zero-shot detectors of any architecture that transformers knows, such as OWL-ViT or Grounding DINO."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from data_miner.models.gpu import Portions, on_gpu
from data_miner.models.phrases import best_prompt
from data_miner.models.provider import Boxes
from data_miner.models.runtime import choose, hush, precision
from data_miner.models.source import ModelMissingError, find_model, nobody


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Pictures, and what a model takes of them."""

    images: Sequence[Image.Image]
    prompts: Sequence[str]
    inputs: Any


class ZeroShotDetector:
    """A loaded model.

    Args:
        model: in evaluation mode, on its device.
        processor: makes its inputs, and boxes of its outputs.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        #: tokenizers are no good in two threads at once
        self._processors = [copy.deepcopy(processor)]
        self._portions = Portions()
        self._options = inspect.signature(processor.post_process_grounded_object_detection).parameters

    def prepare(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> Prepared:
        """Return what ``detect`` takes of pictures."""
        try:
            processor = self._processors.pop()
        except IndexError:
            processor = copy.deepcopy(self.processor)
        try:
            inputs = processor(text=_texts(prompts, images), images=list(images), return_tensors="pt")
        finally:
            self._processors.append(processor)
        return Prepared(images=images, prompts=prompts, inputs=inputs)

    def detect(self, prepared: Prepared, *, floor: float, text_threshold: float) -> list[Boxes]:
        """Return of each picture every box whose score is at least ``floor``, overlapping ones included.

        Raises:
            GpuFullError, RetryableError, BrokenProcessError: the GPU can't do it.
        """

        def look(images: Sequence[Image.Image]) -> list[Boxes]:
            whole = images is prepared.images
            part = prepared if whole else self.prepare(images, prepared.prompts)
            return self._look(part, floor=floor, text_threshold=text_threshold)

        return self._portions(look, prepared.images)

    def _look(self, prepared: Prepared, *, floor: float, text_threshold: float) -> list[Boxes]:
        sizes = [(image.height, image.width) for image in prepared.images]
        # Models differ in what they want to know; those that find phrases in the text want its tokens.
        options = {
            "input_ids": prepared.inputs["input_ids"],
            "text_threshold": text_threshold,
            "text_labels": _texts(prepared.prompts, prepared.images),
        }
        with torch.inference_mode():
            outputs = self.model(**_placed(prepared.inputs, self.model))
            found = self.processor.post_process_grounded_object_detection(
                outputs,
                threshold=floor,
                target_sizes=sizes,
                **{name: value for name, value in options.items() if name in self._options},
            )
        return [_boxes(result, prepared.prompts, size) for result, size in zip(found, sizes, strict=True)]


def load(name: str, models_dir: Path, device: str, moved: Callable[[], None] = nobody) -> ZeroShotDetector:
    """Load a model by name.

    Raises:
        ModelMissingError: it can't be had, or is of another kind.
        GpuFullError, BrokenProcessError: the GPU can't take it.
    """
    hush()
    directory = find_model(name, models_dir, moved)

    def place() -> Any:
        chosen = choose(device)
        model = AutoModelForZeroShotObjectDetection.from_pretrained(
            directory, local_files_only=True, dtype=precision(chosen)
        )
        return model.eval().to(chosen)

    try:
        model = on_gpu(place, by_item=False)
    except ValueError as error:
        raise ModelMissingError(
            f"model {name} is no zero-shot object detector; use one such as IDEA-Research/grounding-dino-tiny"
        ) from error
    processor = AutoProcessor.from_pretrained(directory, local_files_only=True)
    return ZeroShotDetector(model, processor)


def _texts(prompts: Sequence[str], images: Sequence[Image.Image]) -> list[list[str]]:
    return [[prompt.lower() for prompt in prompts]] * len(images)


def _placed(inputs: Any, model: Any) -> dict[str, Any]:
    placed = {name: value.to(model.device) for name, value in inputs.items()}
    # Made half as precise there, not here: the processor takes longer for it.
    return {
        name: value.to(model.dtype) if value.is_floating_point() else value for name, value in placed.items()
    }


def _boxes(result: Any, prompts: Sequence[str], size: tuple[int, int]) -> Boxes:
    height, width = size
    xyxy = result["boxes"].float().cpu().numpy().reshape(-1, 4)
    limits = np.array([width, height, width, height], np.float32)
    labels = result.get("text_labels")
    if labels is None:
        labels = [prompts[int(label)] for label in result["labels"]]
    matched = [best_prompt(str(label), prompts) for label in labels]
    # Half precision can overflow, and what is no number compares as nothing does.
    usable = np.isfinite(xyxy).all(axis=1)
    kept = [index for index, label in enumerate(matched) if label is not None and usable[index]]
    return Boxes(
        xyxy=np.clip(xyxy, 0, limits).astype(np.float32)[kept],
        scores=result["scores"].float().cpu().numpy().astype(np.float32)[kept],
        labels=[label for label in matched if label is not None],
    )
