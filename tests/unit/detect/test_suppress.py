from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_miner.detect.suppress import intersection_over_union, suppress
from data_miner.detect.tiles import tiles

corner = st.integers(0, 20)
boxes = st.lists(st.tuples(corner, corner, st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=15)


def test_iou_of_known_boxes() -> None:
    left = np.array([[0, 0, 2, 2], [0, 0, 0, 0]], np.float32)
    right = np.array([[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6], [0, 0, 0, 0]], np.float32)
    wanted = np.array([[1 / 3, 1, 0, 0], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(intersection_over_union(left, right), wanted)


@settings(deadline=None)
@given(boxes, st.data(), st.floats(0, 1))
def test_kept_boxes_hardly_overlap_and_dropped_ones_have_a_better_twin(
    drawn: list[tuple[int, int, int, int]], data: st.DataObject, limit: float
) -> None:
    xyxy = np.array([(x, y, x + width, y + height) for x, y, width, height in drawn], np.float32)
    scores = np.array([data.draw(st.sampled_from([0.2, 0.5, 0.9])) for _ in drawn], np.float32)
    labels = [data.draw(st.sampled_from("ab")) for _ in drawn]
    kept = suppress(xyxy, scores, labels, max_iou=limit)
    overlap = intersection_over_union(xyxy, xyxy)
    assert [scores[row] for row in kept] == sorted((scores[row] for row in kept), reverse=True)
    for row in range(len(drawn)):
        twins = [
            other
            for other in kept
            if other != row and labels[other] == labels[row] and overlap[row, other] > limit
        ]
        if row in kept:
            assert not twins
        else:
            assert any(scores[other] >= scores[row] for other in twins)


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(64, 1000), st.floats(0, 0.5))
def test_tiles_cover_the_picture_and_overlap(width: int, height: int, side: int, overlap: float) -> None:
    found = tiles(width, height, side=side, overlap=overlap)
    if max(width, height) <= side:
        assert found == []
        return
    for length, first, last in ((width, 0, 2), (height, 1, 3)):
        spans = sorted({(tile[first], tile[last]) for tile in found})
        assert (spans[0][0], spans[-1][1]) == (0, length)
        assert all(end - start == min(side, length) for start, end in spans)
        for (_, end), (start, _) in pairwise(spans):
            assert end - start >= side * overlap - 1
