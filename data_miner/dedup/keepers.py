"""Choosing who represents frames that show the same. The choice does not depend on the order of arrival."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

#: a video's sha256 and a time in ms
Frame = tuple[str, int]


@dataclass(frozen=True, kw_only=True, order=True)
class Rank:
    """Who is preferred: more pixels, then more bytes for them, which is more detail, then any fixed order."""

    minus_pixels: int
    minus_bytes: int
    frame: Frame


def rank(frame: Frame, *, pixels: int, size_bytes: int) -> Rank:
    """Return the rank of a frame; the smallest is the best."""
    return Rank(minus_pixels=-pixels, minus_bytes=-size_bytes, frame=frame)


def choose_keepers(
    ranks: Mapping[Frame, Rank], like: Mapping[Frame, Collection[Frame]]
) -> dict[Frame, Frame | None]:
    """Return for each frame the one that is kept in its place, or None for one that is kept itself.

    From the best frame down: a frame is kept unless a better one that shows the same is kept. So no two kept
    frames show the same, each dropped frame has a kept one that does, and only ranks and pairs decide.

    Args:
        ranks: of all frames.
        like: the frames that show the same as each, in both directions.
    """
    chosen: dict[Frame, Frame | None] = {}
    for frame in sorted(ranks, key=ranks.__getitem__):
        kept = [other for other in like.get(frame, ()) if other in chosen and chosen[other] is None]
        chosen[frame] = min(kept, key=ranks.__getitem__) if kept else None
    return chosen
