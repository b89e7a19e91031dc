"""A tiny OWL-ViT: half a million parameters, saved as transformers saves the large ones."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from augment import Warp, apply, random_warp, recolour
from PIL import Image
from scenes import Box, Scene
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch.nn import functional
from transformers import (
    CLIPTokenizer,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessorPil,
    OwlViTProcessor,
)
from words import WORDS, all_captions, captions

SIDE, STORED_SIDE, PATCH, WIDTH, TEXT_WIDTH, TOKENS = 128, 160, 8, 96, 64, 16
STEPS, BATCH, RATE = 2200, 12, 1.2e-3
#: an object is recognised from its middle: within this share of its width and height to either side
_CORE = 0.15
#: pictures into which an object of another one is pasted
_PASTED = 0.45
_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)

Boxes = list[tuple[str, Box]]


def train(pictures: list[Scene], directory: Path) -> None:
    """Train on pictures and save into a directory."""
    pictures = [scene for scene in pictures if scene.boxed]
    labels = _labels(pictures)
    tokenizer = _tokenizer()
    model = _model(tokenizer)
    tokens = [
        tokenizer(captions(label), padding="max_length", max_length=TOKENS, return_tensors="pt").input_ids
        for label in labels
    ]
    draw = _Draw(pictures)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02, betas=(0.9, 0.98))
    model.train()
    for step in range(STEPS):
        for parameters in optimizer.param_groups:
            parameters["lr"] = RATE * _schedule(step)
        pixels, boxes = draw.batch()
        texts = torch.stack([ids[random.randrange(len(ids))] for ids in tokens])
        output = model(input_ids=texts.repeat(BATCH, 1), pixel_values=pixels)
        loss = _loss(output.logits, output.pred_boxes, boxes, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(f"owlvit: step {step} of {STEPS}, loss {loss.item():.3f}", flush=True)
    model.eval().save_pretrained(directory)
    size = {"height": SIDE, "width": SIDE}
    processor = OwlViTImageProcessorPil(size=size, do_center_crop=False, crop_size=size)
    OwlViTProcessor(image_processor=processor, tokenizer=tokenizer).save_pretrained(directory)


def _labels(pictures: list[Scene]) -> list[str]:
    """Return what is boxed somewhere, and what is never shown; the rest is seen where nobody drew a box."""
    boxed = {label for scene in pictures for label, _ in scene.boxes}
    shown = {concept for scene in pictures for concept in scene.concepts}
    return [word for word in WORDS if word in boxed or word not in shown]


def _tokenizer() -> CLIPTokenizer:
    """Return a byte-pair encoding in the layout of CLIP's.

    The model reads a text's meaning at its highest token: the end token comes last in the vocabulary. A text
    that begins with token 0 counts as none, so that is a character that no text begins with.
    """
    learned = Tokenizer(BPE(continuing_subword_prefix="", end_of_word_suffix="</w>"))
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=900, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False
    )
    learned.train_from_iterator(all_captions(), trainer)
    model = json.loads(learned.to_str())["model"]
    first = [*letters, *(f"{letter}</w>" for letter in letters)]
    more = [token for token in sorted(model["vocab"], key=model["vocab"].get) if token not in set(first)]
    words = [*first, *more, "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(words)},
        merges=[tuple(merge) for merge in model["merges"]],
        pad_token="!",  # noqa: S106 - not a password
        model_max_length=TOKENS,
    )


def _model(tokenizer: CLIPTokenizer) -> OwlViTForObjectDetection:
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": TOKENS,
        "pad_token_id": 0,
        "bos_token_id": len(tokenizer) - 2,
        "eos_token_id": len(tokenizer) - 1,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "image_size": SIDE,
        "patch_size": PATCH,
    }
    model = OwlViTForObjectDetection(
        OwlViTConfig(text_config=text, vision_config=vision, projection_dim=TEXT_WIDTH)
    )
    with torch.no_grad():
        # The heads' initial weights saturate in so small a model; and most places show nothing.
        model.class_head.logit_shift.bias.fill_(-0.5)
        model.class_head.logit_scale.bias.fill_(9)
        for head, factor in (
            (model.class_head.logit_shift, 0.02),
            (model.class_head.logit_scale, 0.02),
            (model.class_head.dense0, 0.1),
            (model.box_head.dense0, 0.1),
            (model.box_head.dense1, 0.1),
            (model.box_head.dense2, 0.02),
        ):
            head.weight.mul_(factor)
    return model


class _Draw:
    """Draws batches of changed pictures with their boxes."""

    def __init__(self, pictures: list[Scene]) -> None:
        self.boxes = [scene.boxes for scene in pictures]
        self.pixels = torch.stack([_pixels(scene.image) for scene in pictures])
        groups = defaultdict(list)
        for row, scene in enumerate(pictures):
            groups[scene.source, bool(scene.boxes), scene.frame // 50].append(row)
        self.groups = list(groups.values())
        self.weights = [min(len(group), 9) ** 0.5 for group in self.groups]
        # Of photos only: objects of a clip stay at home, where they are measured.
        self.cutouts = [
            (label, _cut(self.pixels[row], box))
            for row, scene in enumerate(pictures)
            if not scene.source.endswith(("bikes", "bigbuckbunny", "carphone"))
            for label, box in scene.boxes
        ]

    def batch(self) -> tuple[torch.Tensor, list[Boxes]]:
        """Return pixels as the model wants them, and the boxes in each picture."""
        drawn = [self._one() for _ in range(BATCH)]
        warp = random_warp(BATCH, closest=0.62, widest=1.2)
        pixels = torch.stack([picture for picture, _ in drawn]) / 255
        pixels = apply(warp, pixels, SIDE, padding="zeros")
        pixels = recolour(pixels, contrast=0.25, tint=0.06, noise=0.04).clamp(0, 1)
        boxes = [_warped(warp, row, found) for row, (_, found) in enumerate(drawn)]
        return (pixels - _MEAN) / _STD, boxes

    def _one(self) -> tuple[torch.Tensor, Boxes]:
        row = random.choice(random.choices(self.groups, self.weights)[0])
        picture, boxes = self.pixels[row].float(), list(self.boxes[row])
        if random.random() < _PASTED:
            label, cutout = random.choice(self.cutouts)
            height = random.randint(36, 100)
            width = int(height * random.uniform(0.8, 1.25))
            left, top = random.randint(0, STORED_SIDE - width), random.randint(0, STORED_SIDE - height)
            place = (
                left / STORED_SIDE,
                top / STORED_SIDE,
                (left + width) / STORED_SIDE,
                (top + height) / STORED_SIDE,
            )
            if all(_covered(box, place) < 0.15 for _, box in boxes):
                picture = _paste(picture, cutout, left, top, size=(height, width))
                boxes.append((label, place))
        return picture, boxes


def _pixels(image: Image.Image) -> torch.Tensor:
    small = image.resize((STORED_SIDE, STORED_SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def _cut(picture: torch.Tensor, box: Box) -> torch.Tensor:
    left, top, right, bottom = (int(side * STORED_SIDE) for side in box)
    return picture[:, top:bottom, left:right].float()


def _covered(box: Box, by: Box) -> float:
    """Return the share of a box that another one covers."""
    width = max(0.0, min(box[2], by[2]) - max(box[0], by[0]))
    height = max(0.0, min(box[3], by[3]) - max(box[1], by[1]))
    return width * height / ((box[2] - box[0]) * (box[3] - box[1]))


def _paste(
    picture: torch.Tensor, cutout: torch.Tensor, left: int, top: int, *, size: tuple[int, int]
) -> torch.Tensor:
    """Return a picture with a cutout on it, (height, width) large, whose corners fade."""
    height, width = size
    scaled = functional.interpolate(cutout[None], (height, width), mode="bilinear", align_corners=False)[0]
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    opaque = ((1.12 - (rows**4 + columns**4) ** 0.25) * 8).clamp(0, 1)
    picture = picture.clone()
    below = picture[:, top : top + height, left : left + width]
    picture[:, top : top + height, left : left + width] = opaque * scaled + (1 - opaque) * below
    return picture


def _warped(warp: Warp, row: int, boxes: Boxes) -> Boxes:
    """Return where boxes are in the changed picture, without those of which less than half is left."""
    kept: Boxes = []
    for label, box in boxes:
        across = sorted(_moved(side, warp.shift_x[row], warp.scale_x[row]) for side in (box[0], box[2]))
        down = sorted(_moved(side, warp.shift_y[row], warp.scale_y[row]) for side in (box[1], box[3]))
        whole = (across[1] - across[0]) * (down[1] - down[0])
        left, right = (min(1.0, max(0.0, side)) for side in across)
        top, bottom = (min(1.0, max(0.0, side)) for side in down)
        if min(right - left, bottom - top) > 0.03 and (right - left) * (bottom - top) > 0.4 * whole:
            kept.append((label, (left, top, right, bottom)))
    return kept


def _moved(side: float, shift: torch.Tensor, scale: torch.Tensor) -> float:
    return float(((2 * side - 1 - shift) / scale + 1) / 2)


def _loss(
    logits: torch.Tensor, predicted: torch.Tensor, boxes: list[Boxes], labels: list[str]
) -> torch.Tensor:
    """Return focal loss of the labels at each place, and distance and overlap of the boxes there."""
    cells = SIDE // PATCH
    centres = (torch.arange(cells) + 0.5) / cells
    rows, columns = (grid.flatten() for grid in torch.meshgrid(centres, centres, indexing="ij"))
    wanted, found, true = torch.zeros_like(logits), [], []
    for number, picture in enumerate(boxes):
        for label, box in picture:
            x, y, width, height = (
                (box[0] + box[2]) / 2,
                (box[1] + box[3]) / 2,
                box[2] - box[0],
                box[3] - box[1],
            )
            inside = ((columns - x).abs() < _CORE * width) & ((rows - y).abs() < _CORE * height)
            inside[((columns - x) ** 2 + (rows - y) ** 2).argmin()] = True
            wanted[number, inside, labels.index(label)] = 1
            found.append(predicted[number, inside])
            true.append(torch.tensor([box]).expand(int(inside.sum()), 4))
    chance = torch.sigmoid(logits)
    right = chance * wanted + (1 - chance) * (1 - wanted)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    focal = ((0.75 * wanted + 0.25 * (1 - wanted)) * entropy * (1 - right) ** 2).sum()
    loss = 2 * focal / max(1.0, float(wanted.sum()))
    if found:
        inner, outer = torch.cat(found), torch.cat(true)
        corners = torch.cat([inner[:, :2] - inner[:, 2:] / 2, inner[:, :2] + inner[:, 2:] / 2], 1)
        loss = (
            loss + 2 * (corners - outer).abs().sum(1).mean() + (1 - _generalized_iou(corners, outer)).mean()
        )
    return loss


def _generalized_iou(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    shared = (
        (torch.min(left[:, 2:], right[:, 2:]) - torch.max(left[:, :2], right[:, :2])).clamp(min=0).prod(1)
    )
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) for boxes in (left, right)]
    union = areas[0] + areas[1] - shared
    hull = (torch.max(left[:, 2:], right[:, 2:]) - torch.min(left[:, :2], right[:, :2])).clamp(min=0).prod(1)
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def _schedule(step: int) -> float:
    return min(1.0, (step + 1) / 80) * (0.5 * (1 + math.cos(math.pi * step / STEPS)) + 0.01)
