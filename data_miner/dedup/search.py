"""Finding, for new frames, all known frames that show the same, within bounded memory.

Exact comparison of long vectors is dear, and almost all pairs are far apart. So short random projections are
compared first, and only pairs that come near the threshold there are compared exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_miner.dedup.hashes import HashIndex
from data_miner.models.provider import Vectors

#: dimensions of the projections; vectors of less than twice as many are compared as they are
SKETCH = 64
#: how many standard deviations below the threshold projections may fall: 1 pair in 300,000 falls further
_SIGMAS = 4.5
#: what keeping vectors as float16 may change of a cosine
_ROUNDING = 1e-3
#: known frames compared at a time: for 1,000 new ones what that needs stays in a processor's cache
_BLOCK = 1024
_SEED = 7


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When two frames show the same: either is enough."""

    #: cosine of the embeddings, at least
    min_similarity: float
    #: bits of the perceptual hashes, at most
    max_distance: int


@dataclass(frozen=True, kw_only=True)
class Match:
    """A new and a known frame that show the same."""

    new: int
    known: int
    similarity: float
    #: None where one of the frames has no hash
    distance: int | None


class Index:
    """Frames that are known, by row in the order in which they were added.

    Args:
        dimensions: of the embeddings.
        limits: when two frames show the same.
    """

    def __init__(self, dimensions: int, limits: Limits) -> None:
        self.dimensions = dimensions
        self.limits = limits
        random = np.random.default_rng(_SEED)
        self._projection = (
            random.standard_normal((dimensions, SKETCH)).astype(np.float32)
            if dimensions >= 2 * SKETCH
            else None
        )
        self._size = 0
        self._vectors = np.empty((0, dimensions), np.float16)
        self._sketches = np.empty((0, self._sketch_width), np.float32)
        self._hashes = HashIndex(limits.max_distance)

    def __len__(self) -> int:
        """Return how many frames are known."""
        return self._size

    def add(self, vectors: Vectors, hashes: Sequence[int | None]) -> None:
        """Make frames known.

        Args:
            vectors: unit vectors, shape (n, dimensions); kept as float16.
            hashes: of each frame; None where it has none.
        """
        end = self._size + len(vectors)
        if end > len(self._vectors):
            self._grow(max(end, 2 * len(self._vectors)))
        rows = slice(self._size, end)
        self._vectors[rows] = vectors
        self._sketches[rows] = self._sketch(vectors)
        self._hashes.add(hashes)
        self._size = end

    def search(self, vectors: Vectors, hashes: Sequence[int | None]) -> list[Match]:
        """Return all matches of new frames, ordered by new and known row."""
        vectors = np.asarray(vectors, np.float32)
        by_hash = zip(*(rows.tolist() for rows in self._hashes.search(hashes)), strict=True)
        pairs = sorted({*by_hash, *self._near(vectors)})
        rows = np.array(pairs, np.intp).reshape(-1, 2)
        similarities = self._similarities(vectors, rows[:, 0], rows[:, 1])
        return [
            Match(
                new=new,
                known=known,
                similarity=similarity,
                distance=self._hashes.distance(hashes[new], known),
            )
            for (new, known), similarity in zip(pairs, similarities.tolist(), strict=True)
        ]

    def _near(self, vectors: Vectors) -> list[tuple[int, int]]:
        """Return the pairs of new and known rows whose embeddings are similar."""
        sketches = self._sketch(vectors)
        limit = self._sketch_limit(self.limits.min_similarity)
        found: list[tuple[int, int]] = []
        for start in range(0, self._size, _BLOCK):
            block = slice(start, min(start + _BLOCK, self._size))
            near = sketches @ self._sketches[block].T
            # Most new frames are near to none of a block, and a maximum is quickly found.
            rows = np.flatnonzero(near.max(axis=1) >= limit)
            new, known = np.nonzero(near[rows] >= limit)
            new = rows[new]
            sure = self._similarities(vectors, new, known + start) >= self.limits.min_similarity
            found += zip(new[sure].tolist(), (known[sure] + start).tolist(), strict=True)
        return found

    def _similarities(self, vectors: Vectors, new: NDArray[np.intp], known: NDArray[np.intp]) -> Vectors:
        """Return the exact cosines of pairs of rows, a block at a time."""
        exact = np.empty(len(new), np.float32)
        for start in range(0, len(new), _BLOCK):
            pairs = slice(start, start + _BLOCK)
            other = self._vectors[known[pairs]].astype(np.float32)
            exact[pairs] = np.einsum("ij,ij->i", vectors[new[pairs]], other)
        return exact

    @property
    def _sketch_width(self) -> int:
        return self.dimensions if self._projection is None else SKETCH

    def _sketch(self, vectors: Vectors) -> Vectors:
        if self._projection is None:
            return np.asarray(vectors, np.float32)
        projected = np.asarray(vectors, np.float32) @ self._projection
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        return np.asarray(projected / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def _sketch_limit(self, similarity: float) -> float:
        """Return what projections of a pair with at least this similarity reach, but for 1 in 300,000."""
        if self._projection is None:
            return similarity - _ROUNDING
        return similarity - _SIGMAS * (1 - similarity**2) / math.sqrt(SKETCH) - _ROUNDING

    def _grow(self, rows: int) -> None:
        for name in ("_vectors", "_sketches"):
            old = getattr(self, name)
            new = np.zeros((rows, *old.shape[1:]), old.dtype)
            new[: self._size] = old[: self._size]
            setattr(self, name, new)


def repeats_within(vectors: Vectors, hashes: Sequence[int | None], limits: Limits) -> list[int | None]:
    """Return for each frame of one video, in order of time, the earlier frame that it repeats, or None.

    A frame is compared with those that repeat none: a slow pan keeps a frame for each view.
    """
    index, rows = Index(vectors.shape[1], limits), list[int]()
    repeats: list[int | None] = []
    for row, phash in enumerate(hashes):
        matches = index.search(vectors[row : row + 1], [phash])
        best = max(matches, key=lambda match: (match.similarity, -match.known), default=None)
        repeats.append(rows[best.known] if best else None)
        if best is None:
            index.add(vectors[row : row + 1], [phash])
            rows.append(row)
    return repeats
