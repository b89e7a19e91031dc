from __future__ import annotations

from collections import defaultdict
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from data_miner.dedup.keepers import Frame, choose_keepers, rank

Sizes = dict[Frame, tuple[int, int]]
Pairs = list[tuple[Frame, Frame]]

frames = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), unique=True, min_size=1, max_size=12)


@st.composite
def groups(draw: st.DrawFn) -> tuple[Sizes, Pairs]:
    names = draw(frames)
    sizes = {name: (draw(st.integers(1, 3)), draw(st.integers(1, 3))) for name in names}
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=20))
    return sizes, [(left, right) for left, right in pairs if left != right]


def keepers(
    sizes: dict[Frame, tuple[int, int]], pairs: list[tuple[Frame, Frame]]
) -> dict[Frame, Frame | None]:
    like = defaultdict(set)
    for left, right in pairs:
        like[left].add(right)
        like[right].add(left)
    ranks = {frame: rank(frame, pixels=size[0], size_bytes=size[1]) for frame, size in sizes.items()}
    return choose_keepers(ranks, like)


@settings(deadline=None)
@given(groups())
def test_no_two_kept_frames_show_the_same_and_every_dropped_one_has_a_keeper(
    drawn: tuple[Sizes, Pairs],
) -> None:
    sizes, pairs = drawn
    chosen = keepers(sizes, pairs)
    linked = {frozenset(pair) for pair in pairs}
    kept = {frame for frame, keeper in chosen.items() if keeper is None}
    assert not any(pair <= kept for pair in linked)
    for frame, keeper in chosen.items():
        assert keeper is None or (keeper in kept and frozenset((frame, keeper)) in linked)


@settings(deadline=None)
@given(groups(), st.randoms())
def test_the_order_in_which_frames_and_pairs_come_does_not_matter(
    drawn: tuple[Sizes, Pairs], random: Random
) -> None:
    sizes, pairs = drawn
    shuffled, turned = list(sizes.items()), [(right, left) for left, right in pairs]
    random.shuffle(shuffled)
    random.shuffle(turned)
    assert keepers(dict(shuffled), turned) == keepers(sizes, pairs)


def test_the_larger_then_the_more_detailed_frame_is_kept() -> None:
    sizes = {("a", 0): (100, 9), ("b", 0): (200, 5), ("c", 0): (200, 6)}
    every = [(left, right) for left in sizes for right in sizes if left < right]
    assert keepers(sizes, every) == {("a", 0): ("c", 0), ("b", 0): ("c", 0), ("c", 0): None}
