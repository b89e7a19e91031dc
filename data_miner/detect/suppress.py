"""Overlap of boxes, and non-maximum suppression. Boxes are xyxy in pixels, float, shape (n, 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_miner.models.provider import Vectors


def intersection_over_union(left: Vectors, right: Vectors) -> Vectors:
    """Return the IoU of all pairs, 0 to 1, shape (left, right); [0,0,2,2] and [1,0,3,2] give 1/3."""
    top_left = np.maximum(left[:, None, :2], right[None, :, :2])
    bottom_right = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    union = _areas(left)[:, None] + _areas(right)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)


def suppress(xyxy: Vectors, scores: Vectors, labels: Sequence[str], *, max_iou: float) -> list[int]:
    """Return the rows of the boxes that stay, best first: of boxes with one label that overlap, the best.

    Args:
        xyxy: the boxes.
        scores: of each box.
        labels: of each box; boxes with different labels do not suppress each other.
        max_iou: boxes that overlap more are the same object.
    """
    names = np.array(labels)
    clashes = (intersection_over_union(xyxy, xyxy) > max_iou) & (names[:, None] == names[None, :])
    out = np.zeros(len(scores), np.bool_)
    kept: list[int] = []
    # Ties go to the earlier row, so that equal input gives equal output.
    for row in np.argsort(-scores, kind="stable").tolist():
        if not out[row]:
            kept.append(row)
            out |= clashes[row]
    return kept


def _areas(xyxy: Vectors) -> Vectors:
    return np.asarray(np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None).prod(axis=1), np.float32)
