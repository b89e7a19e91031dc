"""Cutting a large picture into tiles that overlap, so that small objects are large enough for a detector."""

from __future__ import annotations

import math

Tile = tuple[int, int, int, int]


def tiles(width: int, height: int, *, side: int, overlap: float) -> list[Tile]:
    """Return the tiles of a picture, xyxy in pixels, row by row; none if the picture is no larger than one.

    Args:
        width: of the picture.
        height: of the picture.
        side: of a tile.
        overlap: the share of a tile that the next one covers too, at least.
    """
    if width <= side and height <= side:
        return []
    return [
        (x, y, min(x + side, width), min(y + side, height))
        for y in _starts(height, side, overlap)
        for x in _starts(width, side, overlap)
    ]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    """Return where tiles begin along one side: evenly, the last one ending with the picture."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / max(1, round(side * (1 - overlap)))) + 1
    return [round(number * (length - side) / (count - 1)) for number in range(count)]
