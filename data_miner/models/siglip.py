"""SigLIP and SigLIP 2: how well pictures fit texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoConfig, AutoModel, GemmaTokenizerFast, SiglipImageProcessorPil, SiglipTokenizer

from data_miner.models.gpu import Portions, on_gpu
from data_miner.models.provider import Vectors
from data_miner.models.runtime import choose, hush, precision
from data_miner.models.source import ModelMissingError, find_model, nobody

#: the length that both generations were trained with; other padding gives other scores
TEXT_TOKENS = 64
#: of both generations, as far as pictures have one size; "siglip2" are those of any shape
_KIND = "siglip"


class SiglipMatcher:
    """A loaded model.

    Args:
        model: in evaluation mode, on its device.
        image_processor: makes its pixels of pictures.
        tokenizer: makes its tokens of texts.
    """

    def __init__(self, model: Any, image_processor: Any, tokenizer: Any) -> None:
        self.model = model
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self._portions = Portions()
        self.scale = float(model.logit_scale.detach().float().exp())
        self.bias = float(model.logit_bias.detach().float())

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Return a picture's pixels, shape (channels, height, width)."""
        pixels: torch.Tensor = self.image_processor(images=[image], return_tensors="pt")["pixel_values"][0]
        return pixels

    def embed(self, prepared: Sequence[torch.Tensor]) -> Vectors:
        """Return unit vectors of pictures, shape (pictures, dimensions).

        Raises:
            GpuFullError, RetryableError, BrokenProcessError: the GPU can't do it.
        """
        rows: list[Vectors] = self._portions(self._embed, prepared)
        return np.stack(rows)

    def _embed(self, prepared: Sequence[torch.Tensor]) -> list[Vectors]:
        with torch.inference_mode():
            # Made half as precise there, not here: the processor takes longer for it.
            pixels = torch.stack(list(prepared)).to(self.model.device).to(self.model.dtype)
            return list(_unit(self.model.get_image_features(pixel_values=pixels)))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (texts, dimensions). The models know lower case only."""
        tokens = self.tokenizer(
            [text.lower() for text in texts],
            padding="max_length",
            max_length=TEXT_TOKENS,
            truncation=True,
            return_tensors="pt",
        )["input_ids"]

        def look() -> Vectors:
            with torch.inference_mode():
                return _unit(self.model.get_text_features(input_ids=tokens.to(self.model.device)))

        return on_gpu(look, by_item=True)

    def probabilities(self, images: Vectors, texts: Vectors) -> Vectors:
        """Return the sigmoid scores, shape (images, texts); they do not add up to one."""
        logits = images.astype(np.float32) @ texts.T * self.scale + self.bias
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def load(name: str, models_dir: Path, device: str, moved: Callable[[], None] = nobody) -> SiglipMatcher:
    """Load a model by name.

    Raises:
        ModelMissingError: it can't be had, or is of another kind.
        GpuFullError, BrokenProcessError: the GPU can't take it.
    """
    hush()
    directory = find_model(name, models_dir, moved)
    kind = AutoConfig.from_pretrained(directory, local_files_only=True).model_type
    if kind != _KIND:
        raise ModelMissingError(
            f"model {name} is of the kind {kind}; filter and dedup take SigLIP and SigLIP 2 with a fixed size"
            " of pictures, such as google/siglip2-base-patch16-224"
        )

    def place() -> Any:
        chosen = choose(device)
        model = AutoModel.from_pretrained(directory, local_files_only=True, dtype=precision(chosen))
        return model.eval().to(chosen)

    model = on_gpu(place, by_item=False)
    # One by one: the class that finds them by itself fails for SigLIP 2.
    # With Pillow, which is everywhere, so that a picture gives the same pixels on every machine.
    image_processor = SiglipImageProcessorPil.from_pretrained(directory, local_files_only=True)
    return SiglipMatcher(model, image_processor, _tokenizer(directory))


def _tokenizer(directory: Path) -> Any:
    """Return SigLIP's own tokenizer, or Gemma's, which SigLIP 2 uses."""
    settings = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    first = settings.get("tokenizer_class", "").startswith("Siglip")
    tokenizer = SiglipTokenizer if first else GemmaTokenizerFast
    return tokenizer.from_pretrained(directory, local_files_only=True)


def _unit(output: Any) -> Vectors:
    features = getattr(output, "pooler_output", output).float()
    return np.asarray(torch.nn.functional.normalize(features, dim=-1).cpu().numpy(), np.float32)
