from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data_miner.dedup.search import Index, Limits, repeats_within
from data_miner.models.provider import Vectors

LIMITS = Limits(min_similarity=0.95, max_distance=3)


def unit(vectors: NDArray[Any]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def planted(count: int, dimensions: int, *, seed: int) -> tuple[Vectors, Vectors]:
    """Known vectors, and new ones of which each is as far from one of them as the noise is strong."""
    random = np.random.default_rng(seed)
    known = unit(random.standard_normal((count, dimensions)))
    noise = unit(random.standard_normal((count, dimensions))) * random.uniform(0.1, 0.5, (count, 1))
    return known, unit(known + noise)


@settings(deadline=None)
@given(seed=st.integers(0, 999), dimensions=st.sampled_from([8, 96]), parts=st.integers(1, 4))
def test_matches_are_those_of_a_plain_comparison_of_all_pairs(seed: int, dimensions: int, parts: int) -> None:
    known, new = planted(40, dimensions, seed=seed)
    random = np.random.default_rng(seed)
    hashes = [int(value) if value % 5 else None for value in random.integers(0, 1 << 62, 40)]
    changed = [None if value is None else value ^ (0b111 << (value % 50)) for value in hashes]
    index = Index(dimensions, LIMITS)
    for rows in np.array_split(np.arange(40), parts):
        index.add(known[rows], [hashes[row] for row in rows])
    matches = {(match.new, match.known): match for match in index.search(new, changed)}
    similarities = new @ known.astype(np.float16).astype(np.float32).T
    for row in range(40):
        for other in range(40):
            left, right = changed[row], hashes[other]
            distance = None if left is None or right is None else (left ^ right).bit_count()
            close = distance is not None and distance <= LIMITS.max_distance
            if abs(similarities[row, other] - LIMITS.min_similarity) > 1e-5:
                wanted = bool(similarities[row, other] >= LIMITS.min_similarity or close)
                assert ((row, other) in matches) == wanted
                if wanted:
                    assert matches[row, other].distance == distance


def test_long_vectors_are_found_by_their_projections() -> None:
    known, new = planted(3000, 768, seed=1)
    index = Index(768, LIMITS)
    index.add(known, [None] * len(known))
    wanted = {
        (int(row), int(column)) for row, column in np.argwhere(new @ known.T >= LIMITS.min_similarity + 1e-3)
    }
    found = {(match.new, match.known) for match in index.search(new, [None] * len(new))}
    assert len(wanted) > 1000
    assert len(wanted - found) <= len(wanted) * 0.001


@pytest.mark.parametrize("plain", [True, False])
def test_frames_without_a_hash_match_by_embedding_only(plain: bool) -> None:
    index = Index(2, LIMITS)
    index.add(unit(np.array([[1, 0]], np.float32)), [None if plain else 7])
    matches = index.search(unit(np.array([[0, 1]], np.float32)), [7])
    assert bool(matches) is not plain


def test_a_slow_pan_keeps_a_frame_for_each_view() -> None:
    angles = np.linspace(0, np.pi / 2, 91)  # one degree from frame to frame; 0.95 is 18 degrees
    pan = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    repeats = repeats_within(pan, [None] * len(pan), LIMITS)
    assert [row for row, repeated in enumerate(repeats) if repeated is None] == [0, 19, 38, 57, 76]
    assert repeats[1] == 0
    assert repeats[20] == 19
