"""Finding perceptual hashes that differ in few bits, among many.

Two hashes that differ in at most d bits are equal in one of d + 1 bands of bits. So only hashes that share a
band with a new one are compared, and these lie together once the hashes are sorted by band.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_miner.dedup.phash import distances

_BITS = 64
#: narrower bands are shared by too many hashes to save anything
_NARROWEST = 8
#: hashes that came since the last sorting are compared one by one; sorting again is worth it for this many
_UNSORTED = 4096
#: known hashes compared at a time: for 1,000 new ones that takes 70 MB
_BLOCK = 8192

Rows = NDArray[np.intp]


class HashIndex:
    """Hashes that are known, by row in the order in which they were added.

    Args:
        max_distance: bits in which hashes that match differ, at most.
    """

    def __init__(self, max_distance: int) -> None:
        self.max_distance = max_distance
        self._width = _BITS // (max_distance + 1)
        self._hashes = np.empty(0, np.uint64)
        self._present = np.empty(0, np.bool_)
        self._sorted = 0
        self._bands: list[tuple[NDArray[np.uint64], Rows]] = []

    def add(self, hashes: Sequence[int | None]) -> None:
        """Make hashes known; None for a picture that has none."""
        self._hashes = np.append(self._hashes, np.array([value or 0 for value in hashes], np.uint64))
        self._present = np.append(self._present, np.array([value is not None for value in hashes], np.bool_))
        worth = max(_UNSORTED, self._sorted // 8)
        if self._width >= _NARROWEST and len(self._hashes) - self._sorted > worth:
            self._sort()

    def search(self, hashes: Sequence[int | None]) -> tuple[Rows, Rows]:
        """Return all matches: rows of new hashes and of known ones."""
        new = np.array([row for row, value in enumerate(hashes) if value is not None], np.intp)
        values = np.array([value for value in hashes if value is not None], np.uint64)
        parts = [self._sharing(values, band) for band in range(len(self._bands))]
        for start in range(self._sorted, max(len(self._hashes), 1), _BLOCK):
            near = distances(values, self._hashes[start : start + _BLOCK]) <= self.max_distance
            left, right = np.nonzero(near)
            parts.append((left, right + start))
        left, right = (np.concatenate(side) for side in zip(*parts, strict=True))
        close = np.bitwise_count(values[left] ^ self._hashes[right]) <= self.max_distance
        close &= self._present[right]
        # Hashes that share several bands were found several times.
        found = np.unique(np.stack([left[close], right[close]]), axis=1)
        return new[found[0]], found[1]

    def distance(self, value: int | None, row: int) -> int | None:
        """Return in how many bits a hash and a known one differ, or None where one of them is none."""
        if value is None or not self._present[row]:
            return None
        return (value ^ int(self._hashes[row])).bit_count()

    def _sort(self) -> None:
        self._sorted = len(self._hashes)
        self._bands = []
        for band in range(self.max_distance + 1):
            keys = self._keys(self._hashes, band)
            order = np.argsort(keys, kind="stable")
            self._bands.append((keys[order], order))

    def _sharing(self, values: NDArray[np.uint64], band: int) -> tuple[Rows, Rows]:
        """Return the pairs of new and known hashes that are equal in a band."""
        keys, order = self._bands[band]
        wanted = self._keys(values, band)
        first, last = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        counts = last - first
        left = np.repeat(np.arange(len(values)), counts)
        # Within each run of equal keys: its first place, and how far we are in it.
        within = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
        return left, order[np.repeat(first, counts) + within]

    def _keys(self, hashes: NDArray[np.uint64], band: int) -> NDArray[np.uint64]:
        mask = np.uint64((1 << self._width) - 1)
        return np.asarray((hashes >> np.uint64(band * self._width)) & mask, np.uint64)
