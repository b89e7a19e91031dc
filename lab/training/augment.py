"""Changing training pictures at random, so that a model learns what they show instead of their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Warp:
    """Scale and shift of each picture: x of the result is looked up at ``scale * x + shift``, -1 to 1."""

    scale_x: torch.Tensor
    scale_y: torch.Tensor
    shift_x: torch.Tensor
    shift_y: torch.Tensor


def random_warp(count: int, *, closest: float, widest: float) -> Warp:
    """Draw a part of each picture between ``closest`` and ``widest`` of its size, half of them mirrored."""
    size = torch.empty(count).uniform_(closest, widest)
    stretch = torch.empty(count).uniform_(0.88, 1.13)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    room = (1 - size).abs()
    return Warp(
        scale_x=size * stretch * mirror,
        scale_y=size,
        shift_x=(torch.rand(count) * 2 - 1) * room,
        shift_y=(torch.rand(count) * 2 - 1) * room,
    )


def apply(warp: Warp, pictures: torch.Tensor, side: int, *, padding: str) -> torch.Tensor:
    """Return the parts of pictures, shape (n, 3, side, side)."""
    count = len(pictures)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 2] = warp.scale_x, warp.shift_x
    matrix[:, 1, 1], matrix[:, 1, 2] = warp.scale_y, warp.shift_y
    grid = functional.affine_grid(matrix, [count, 3, side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False, padding_mode=padding)


def recolour(pictures: torch.Tensor, *, contrast: float, tint: float, noise: float) -> torch.Tensor:
    """Change contrast and colours, and add noise."""
    count = len(pictures)
    pictures = pictures * torch.empty(count, 1, 1, 1).uniform_(1 - contrast, 1 + contrast)
    pictures = pictures + torch.empty(count, 3, 1, 1).uniform_(-tint, tint)
    return pictures + torch.randn_like(pictures) * torch.rand(count, 1, 1, 1) * noise
