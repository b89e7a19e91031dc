"""A perceptual hash: 64 bits that survive scaling and compression, from the picture's low frequencies."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: the picture is shrunk to this many pixels a side
SIDE = 32
_LOW = 8
#: coefficients that spread less (in grey levels of 255, times 32) are noise of compression
_PLAIN = 8.0


def perceptual_hash(image: Image.Image) -> int | None:
    """Return 64 bits, or None for a picture too plain to have a hash that means something.

    Each bit says whether one of the 64 lowest frequencies, the mean brightness apart, is above their median.
    """
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    basis = _cosines()
    low = (basis @ grey @ basis.T)[:_LOW, 1 : _LOW + 1].ravel()
    if low.std() < _PLAIN:
        return None
    bits = low > np.median(low)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distances(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the Hamming distances in bits of all pairs, shape (left, right)."""
    return np.asarray(np.bitwise_count(left[:, None] ^ right[None, :]), np.uint8)


@cache
def _cosines() -> NDArray[np.float64]:
    """Return the first rows of the orthonormal discrete cosine transform (type II)."""
    rows = np.arange(_LOW + 1)[:, None]
    columns = np.arange(SIDE)[None, :]
    basis = np.sqrt(2 / SIDE) * np.cos(np.pi * (columns + 0.5) * rows / SIDE)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis, np.float64)
