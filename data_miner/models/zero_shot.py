"""Zero-shot detectors of any architecture that transformers knows, such as OWL-ViT or Grounding DINO."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from data_miner.models.phrases import best_prompt
from data_miner.models.provider import Boxes
from data_miner.models.runtime import choose, hush, precision
from data_miner.models.source import ModelMissingError, find_model, nobody


class ZeroShotDetector:
    """A loaded model.

    Args:
        model: in evaluation mode, on its device.
        processor: makes its inputs, and boxes of its outputs.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self._options = inspect.signature(processor.post_process_grounded_object_detection).parameters

    def detect(
        self, images: Sequence[Image.Image], prompts: Sequence[str], *, floor: float, text_threshold: float
    ) -> list[Boxes]:
        """Return of each picture every box whose score is at least ``floor``, overlapping ones included."""
        texts = [[prompt.lower() for prompt in prompts]] * len(images)
        inputs = self.processor(text=texts, images=list(images), return_tensors="pt")
        sizes = [(image.height, image.width) for image in images]
        # Models differ in what they want to know; those that find phrases in the text want its tokens.
        options = {
            "input_ids": inputs["input_ids"],
            "text_threshold": text_threshold,
            "text_labels": texts,
        }
        with torch.inference_mode():
            outputs = self.model(**_placed(inputs, self.model))
            found = self.processor.post_process_grounded_object_detection(
                outputs,
                threshold=floor,
                target_sizes=sizes,
                **{name: value for name, value in options.items() if name in self._options},
            )
        return [_boxes(result, prompts, size) for result, size in zip(found, sizes, strict=True)]


def load(name: str, models_dir: Path, device: str, moved: Callable[[], None] = nobody) -> ZeroShotDetector:
    """Load a model by name.

    Raises:
        ModelMissingError: it can't be had, or is of another kind.
    """
    hush()
    directory = find_model(name, models_dir, moved)
    chosen = choose(device)
    try:
        model = AutoModelForZeroShotObjectDetection.from_pretrained(
            directory, local_files_only=True, dtype=precision(chosen)
        )
    except ValueError as error:
        raise ModelMissingError(
            f"model {name} is no zero-shot object detector; use one such as IDEA-Research/grounding-dino-tiny"
        ) from error
    processor = AutoProcessor.from_pretrained(directory, local_files_only=True)
    return ZeroShotDetector(model.eval().to(chosen), processor)


def _placed(inputs: Any, model: Any) -> dict[str, Any]:
    return {
        name: value.to(model.device, model.dtype) if value.is_floating_point() else value.to(model.device)
        for name, value in inputs.items()
    }


def _boxes(result: Any, prompts: Sequence[str], size: tuple[int, int]) -> Boxes:
    height, width = size
    xyxy = result["boxes"].float().cpu().numpy().reshape(-1, 4)
    limits = np.array([width, height, width, height], np.float32)
    labels = result.get("text_labels")
    if labels is None:
        labels = [prompts[int(label)] for label in result["labels"]]
    matched = [best_prompt(str(label), prompts) for label in labels]
    kept = [index for index, label in enumerate(matched) if label is not None]
    return Boxes(
        xyxy=np.clip(xyxy, 0, limits).astype(np.float32)[kept],
        scores=result["scores"].float().cpu().numpy().astype(np.float32)[kept],
        labels=[label for label in matched if label is not None],
    )
