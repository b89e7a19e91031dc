"""A frame at a glance: enough to tell whether another one shows the same, at a fraction of its cost."""

from __future__ import annotations

from collections import deque

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

#: cells a side; RGB, each cell the mean of its pixels
_CELLS = 32
#: so many of the last frames that were kept are compared with: cutting back and forth adds nothing
_REMEMBERED = 8

Signature = NDArray[np.int16]


def signature(frame: VideoFrame) -> Signature:
    """Return the colours of a frame's cells, 0 to 255, shape (32, 32, 3)."""
    small = frame.reformat(width=_CELLS, height=_CELLS, format="rgb24", interpolation=Interpolation.AREA)
    return small.to_ndarray().astype(np.int16)


def mean_difference(left: Signature, right: Signature) -> float:
    """Return how much two frames differ on the average, 0 to 1."""
    return float(np.abs(left - right).mean()) / 255


def largest_difference(left: Signature, right: Signature) -> float:
    """Return how much two frames differ in the cell where they differ most, 0 to 1."""
    return float(np.abs(left - right).max()) / 255


class Novelty:
    """Tells frames that show something new from those that repeat one of the last.

    Args:
        min_difference: how much some cell must differ, 0 to 1. 0 takes every frame.
    """

    def __init__(self, min_difference: float) -> None:
        self._min_difference = min_difference
        self._kept: deque[Signature] = deque(maxlen=_REMEMBERED)

    def is_new(self, frame: VideoFrame) -> bool:
        """Tell whether a frame is new, and remember it if so."""
        if not self._min_difference:
            return True
        now = signature(frame)
        if any(largest_difference(now, kept) < self._min_difference for kept in self._kept):
            return False
        self._kept.append(now)
        return True
