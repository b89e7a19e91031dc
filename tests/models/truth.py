"""What the lab's clips show, and how well answers agree with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lab.training.scenes import Scene, clip_scenes

CHECKOUT = Path(__file__).resolve().parents[2]


def held_out(clips: Path) -> Iterator[Scene]:
    """Yield frames that the models have not seen, every third of them."""
    unseen = (scene for scene in clip_scenes(CHECKOUT / "lab/truth.yaml", clips) if scene.held_out)
    yield from islice(unseen, 0, None, 3)


@dataclass
class Tally:
    """Counts of right and wrong answers."""

    found: int = 0
    missed: int = 0
    wrong: int = 0

    @property
    def recall(self) -> float:
        return self.found / max(1, self.found + self.missed)

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + self.wrong)

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.2f}, recall {self.recall:.2f} "
            f"({self.found} found, {self.missed} missed, {self.wrong} wrong)"
        )


def tally(truth: Iterable[bool], answers: Iterable[bool]) -> Tally:
    """Compare answers with the truth, one by one."""
    counts = Tally()
    for true, answer in zip(truth, answers, strict=True):
        counts.found += true and answer
        counts.missed += true and not answer
        counts.wrong += answer and not true
    return counts


def total(tallies: Iterable[Tally]) -> Tally:
    """Add counts up."""
    every = list(tallies)
    return Tally(
        found=sum(one.found for one in every),
        missed=sum(one.missed for one in every),
        wrong=sum(one.wrong for one in every),
    )
