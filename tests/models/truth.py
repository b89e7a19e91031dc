"""What the lab's clips show, and how well answers agree with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from data_miner.detect.suppress import intersection_over_union
from data_miner.queue.records import FoundBox
from lab.training.scenes import Scene, clip_scenes

#: a box that overlaps another by this much (intersection over union) is of the same object
SAME_OBJECT = 0.4
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


def match(found: Sequence[FoundBox], scene: Scene, label: str) -> tuple[list[int], list[FoundBox]]:
    """Return which of a scene's objects have no box, by number, and which boxes are of none."""
    size = np.array([scene.image.width, scene.image.height] * 2, np.float32)
    boxes = [box for box in found if box.label == label]
    true = np.array([box for name, box in scene.boxes if name == label], np.float32).reshape(-1, 4) * size
    overlaps = intersection_over_union(np.array([box.box for box in boxes], np.float32).reshape(-1, 4), true)
    owners = {int(overlaps[:, number].argmax()): number for number in range(len(true)) if len(boxes)}
    hits = {row: number for row, number in owners.items() if overlaps[row, number] >= SAME_OBJECT}
    missed = [number for number in range(len(true)) if number not in hits.values()]
    return missed, [box for row, box in enumerate(boxes) if row not in hits]


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
