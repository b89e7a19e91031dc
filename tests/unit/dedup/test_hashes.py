from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_miner.dedup import hashes
from data_miner.dedup.hashes import HashIndex


@settings(deadline=None)
@given(
    seed=st.integers(0, 999),
    max_distance=st.sampled_from([0, 1, 3, 7, 12, 64]),
    parts=st.integers(1, 4),
    unsorted=st.sampled_from([1, 30, 4096]),
)
def test_matches_are_those_of_comparing_all_pairs(
    seed: int, max_distance: int, parts: int, unsorted: int
) -> None:
    random = np.random.default_rng(seed)
    known = [int(value) if value % 7 else None for value in random.integers(0, 1 << 64, 60, np.uint64)]
    flips = [sum(1 << int(bit) for bit in random.permutation(64)[: random.integers(0, 9)]) for _ in known]
    new = [None if value is None else value ^ flip for value, flip in zip(known, flips, strict=True)]
    before = hashes._UNSORTED
    hashes._UNSORTED = unsorted
    try:
        index = HashIndex(max_distance)
        for rows in np.array_split(np.arange(60), parts):
            index.add([known[row] for row in rows])
        found = set(zip(*(rows.tolist() for rows in index.search(new)), strict=True))
    finally:
        hashes._UNSORTED = before
    wanted = {
        (row, other)
        for row, left in enumerate(new)
        for other, right in enumerate(known)
        if left is not None and right is not None and (left ^ right).bit_count() <= max_distance
    }
    assert found == wanted
