"""A tiny SigLIP 2: half a million parameters, saved as transformers saves the large ones."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from augment import apply, random_warp, recolour
from PIL import Image
from scenes import Scene
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch.nn import functional
from transformers import GemmaTokenizer, SiglipConfig, SiglipImageProcessorPil, SiglipModel, SiglipProcessor
from words import WORDS, all_captions, captions

SIDE, STORED_SIDE, PATCH, WIDTH, TOKENS = 96, 128, 12, 96, 64
STEPS, BATCH, RATE = 900, 40, 1.5e-3


def train(pictures: list[Scene], directory: Path) -> None:
    """Train on pictures and save into a directory."""
    tokenizer = _tokenizer()
    model = _model(tokenizer)
    stored = torch.stack([_pixels(scene.image) for scene in pictures])
    concepts = list(WORDS)
    shows = torch.tensor([[float(concept in scene.concepts) for concept in concepts] for scene in pictures])
    tokens = [
        tokenizer(captions(concept), padding="max_length", max_length=TOKENS, return_tensors="pt").input_ids
        for concept in concepts
    ]
    groups, weights = _groups(pictures)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02, betas=(0.9, 0.98))
    model.train()
    for step in range(STEPS):
        for parameters in optimizer.param_groups:
            parameters["lr"] = RATE * _schedule(step)
        rows = [random.choice(group) for group in random.choices(groups, weights, k=BATCH)]
        # One caption of each concept a step.
        texts = torch.stack([ids[random.randrange(len(ids))] for ids in tokens])
        logits = model(input_ids=texts, pixel_values=_augmented(stored[rows])).logits_per_image
        loss = functional.binary_cross_entropy_with_logits(logits, shows[rows], reduction="sum") / BATCH
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(f"siglip: step {step} of {STEPS}, loss {loss.item():.3f}", flush=True)
    model.eval().save_pretrained(directory)
    size = {"height": SIDE, "width": SIDE}
    processor = SiglipImageProcessorPil(size=size)
    SiglipProcessor(image_processor=processor, tokenizer=tokenizer).save_pretrained(directory)


def _tokenizer() -> GemmaTokenizer:
    """Return a byte-pair encoding in the layout of Gemma's, learned from the captions."""
    learned = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True))  # noqa: S106 - not a password
    learned.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    learned.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = BpeTrainer(vocab_size=640, special_tokens=special, show_progress=False)
    learned.train_from_iterator(all_captions(), trainer)
    model = json.loads(learned.to_str())["model"]
    return GemmaTokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        add_bos_token=False,
        add_eos_token=True,
        model_max_length=TOKENS,
        padding_side="right",
    )


def _model(tokenizer: GemmaTokenizer) -> SiglipModel:
    shared = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_attention_heads": 3}
    text = {
        **shared,
        "num_hidden_layers": 2,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": TOKENS,
        "projection_size": WIDTH,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    vision = {**shared, "num_hidden_layers": 3, "image_size": SIDE, "patch_size": PATCH}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    with torch.no_grad():
        # Most pairs of picture and concept do not fit, so the scores begin low.
        model.logit_scale.fill_(math.log(10))
        model.logit_bias.fill_(-6)
    return model


def _pixels(image: Image.Image) -> torch.Tensor:
    small = image.resize((STORED_SIDE, STORED_SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def _augmented(pictures: torch.Tensor) -> torch.Tensor:
    warp = random_warp(len(pictures), closest=0.55, widest=1.0)
    parts = apply(warp, pictures.float() / 127.5 - 1, SIDE, padding="reflection")
    grey = (torch.rand(len(parts), 1, 1, 1) < 0.12).float()
    parts = grey * parts.mean(1, keepdim=True) + (1 - grey) * parts
    return recolour(parts, contrast=0.25, tint=0.12, noise=0.06).clamp(-1, 1)


def _groups(pictures: list[Scene]) -> tuple[list[list[int]], list[float]]:
    """Return rows that show the same thing, and how often to draw each group: a long clip not as often."""
    groups = defaultdict(list)
    for row, scene in enumerate(pictures):
        groups[scene.source, tuple(sorted(scene.concepts))].append(row)
    return list(groups.values()), [min(len(group), 12) ** 0.5 for group in groups.values()]


def _schedule(step: int) -> float:
    return min(1.0, (step + 1) / 80) * (0.5 * (1 + math.cos(math.pi * step / STEPS)) + 0.01)
