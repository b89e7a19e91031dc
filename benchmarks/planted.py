"""How many planted duplicates the dedup stage finds, and how many objects the detect stage.

    python -m miner_cluster.images.inside -- python benchmarks/planted.py CLIPS

Prints Markdown rows for docs/benchmarks.md, and below them what was missed or wrong, each with its reason. Of
each shot of the lab's clips (lab/truth.yaml) one frame that the models have not seen is known, and changed
copies of it are planted; one that is found under another shot's frame is wrong. Objects are those that a
person drew boxes around. Models, thresholds and prompts are those of run_configs/demo.yaml. CLIPS is the
directory of the lab's clips in the artifact store: ~/.cache/data-miner/artifacts/clips/*.
"""

from __future__ import annotations

import argparse
import datetime
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from data_miner.config.model import DetectConfig
from data_miner.dedup.phash import perceptual_hash
from data_miner.dedup.search import Index, Limits
from data_miner.detect.suppress import intersection_over_union
from data_miner.models import siglip, zero_shot
from data_miner.models.provider import Matcher, Vectors
from data_miner.queue.records import FoundBox
from data_miner.threads import Threads
from data_miner.workers.detect import FLOOR, certain, found_boxes, look_at
from lab.training.scenes import Scene
from tests.models.truth import CHECKOUT, Tally, held_out, match, total

MODELS = CHECKOUT / "lab/models"
AGAIN = "-again"


def main() -> None:
    """Print the rows and the reasons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, help="directory of the lab's clips")
    clips = parser.parse_args().clips
    if not list(clips.glob("*.mp4")):
        sys.exit(f"error: {clips} holds no clips; `make lab` makes them")
    demo = yaml.safe_load((CHECKOUT / "run_configs/demo.yaml").read_text("utf-8"))
    scenes = list(held_out(clips))
    reasons: list[str] = []
    for what, counts in {
        **duplicates(scenes, demo["dedup"], reasons),
        **objects(scenes, demo["detect"], reasons),
    }.items():
        print(row(what, counts))
    print(*(f"- {reason}" for reason in reasons), sep="\n")


def saved_again(quality: int) -> Callable[[Image.Image], Image.Image]:
    """Return what saves a picture as a JPEG of some quality."""

    def save(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return save


def with_watermark(image: Image.Image) -> Image.Image:
    """Write something into a corner."""
    marked = image.copy()
    ImageDraw.Draw(marked).text((4, image.height - 14), "(c) somebody", fill="white")
    return marked


def cropped(image: Image.Image) -> Image.Image:
    """Cut a fiftieth from each side."""
    across, down = image.width // 50, image.height // 50
    return ImageOps.crop(image, (across, down, across, down))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved with quality 60": saved_again(60),
    "saved with quality 20": saved_again(20),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "5 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.05),
    "with a watermark": with_watermark,
    "2 % cut from each side": cropped,
}


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A changed copy of a known frame."""

    change: str
    of: int
    image: Image.Image


def duplicates(scenes: Sequence[Scene], config: dict[str, Any], reasons: list[str]) -> dict[str, Tally]:
    """Return for each change how many copies were found, and for all together."""
    limits = Limits(
        min_similarity=config["embedding_min_similarity"], max_distance=config["hash_max_distance"]
    )
    shots = {(scene.source, scene.concepts): scene for scene in scenes if AGAIN not in scene.source}
    originals = list(shots.values())
    copies = list(planted(originals, scenes))
    matcher = siglip.load(config["model"], MODELS, "cpu")
    known, new = (looks(matcher, side) for side in (originals, copies))
    index = Index(known.vectors.shape[1], limits)
    index.add(known.vectors, known.hashes)
    found = {(one.new, one.known) for one in index.search(new.vectors, new.hashes)}
    counts = {copy.change: Tally() for copy in copies}

    def say(verdict: str, number: int, other: int) -> None:
        alike = float(new.vectors[number] @ known.vectors[other])
        bits = distance(new.hashes[number], known.hashes[other])
        copy = copies[number]
        reasons.append(
            f"{verdict}: {name(originals[copy.of])}, {copy.change}, under {name(originals[other])}: "
            f"similarity {alike:.4f} (at least {limits.min_similarity}), "
            f"{bits} bits apart (at most {limits.max_distance})"
        )

    for number, copy in enumerate(copies):
        hit = (number, copy.of) in found
        others = [other for one, other in found if one == number and other != copy.of]
        counts[copy.change].found += hit
        counts[copy.change].missed += not hit
        counts[copy.change].wrong += len(others)
        if not hit:
            say("missed", number, copy.of)
        for other in others:
            say("wrong", number, other)
    named = {f"duplicates, {change}": tallied for change, tallied in counts.items()}
    return {**named, "duplicates, all": total(counts.values())}


def planted(originals: Sequence[Scene], scenes: Sequence[Scene]) -> Iterator[Planted]:
    """Yield the changed copies, and the frames of clips that were posted again in far lower quality."""
    for number, scene in enumerate(originals):
        for change, apply in CHANGES.items():
            yield Planted(change=change, of=number, image=apply(scene.image))
        again = (scene.source + AGAIN, scene.frame)
        for other in scenes:
            if (other.source, other.frame) == again:
                yield Planted(change="posted again in far lower quality", of=number, image=other.image)


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What the dedup stage compares of pictures."""

    vectors: Vectors
    hashes: list[int | None]


def looks(matcher: Matcher, pictures: Sequence[Scene] | Sequence[Planted]) -> Looks:
    """Look at pictures as the stages do: saved as frames are, embeddings kept with half the digits."""
    images = [saved_again(90)(picture.image) for picture in pictures]
    vectors = np.concatenate([matcher.embed([matcher.prepare(image)]) for image in images])
    return Looks(
        vectors=vectors.astype(np.float16).astype(np.float32),
        hashes=[perceptual_hash(image) for image in images],
    )


def distance(left: int | None, right: int | None) -> int | None:
    """Return how many bits of two hashes differ."""
    return None if left is None or right is None else (left ^ right).bit_count()


def objects(scenes: Sequence[Scene], config: dict[str, Any], reasons: list[str]) -> dict[str, Tally]:
    """Return for each prompt how many objects were boxed, and for all together."""
    defaults = {"text_threshold": 0.25, "tile_overlap": 0.2, "batch_size": 4}
    params = DetectConfig.model_validate({**defaults, **config})
    detector = zero_shot.load(params.model, MODELS, "cpu")
    counts = {prompt: Tally() for prompt in params.prompts}
    for scene in scenes:
        if not scene.boxed:
            continue
        with Threads() as threads:
            (raw,) = look_at(detector, [scene.image], params, floor=FLOOR, threads=threads)
        every = found_boxes(raw)
        sure = certain(every, params)
        for prompt, tallied in counts.items():
            missed, wrong = match(sure, scene, prompt)
            tallied.found += sum(label == prompt for label, _ in scene.boxes) - len(missed)
            tallied.missed += len(missed)
            tallied.wrong += len(wrong)
            elsewhere, _ = match(every, scene, prompt)
            for number in missed:
                why = "lies elsewhere" if number in elsewhere else "is not certain enough"
                reasons.append(f"missed: {prompt} in {name(scene)}: its box {why}; {best(every, prompt)}")
            for box in wrong:
                where = f"{overlap(box, scene):.2f} overlap with what a person drew"
                reasons.append(f"wrong: {prompt} in {name(scene)}: a score of {box.score:.2f}, {where}")
    named = {f"objects, {prompt}": tallied for prompt, tallied in counts.items()}
    return {**named, "objects, all": total(counts.values())}


def overlap(box: FoundBox, scene: Scene) -> float:
    """Return how much a box overlaps an object of its label: 0 where there is none."""
    size = np.array([scene.image.width, scene.image.height] * 2, np.float32)
    drawn = np.array([at for label, at in scene.boxes if label == box.label], np.float32).reshape(-1, 4)
    return float(intersection_over_union(np.array([box.box], np.float32), drawn * size).max(initial=0))


def best(boxes: Sequence[FoundBox], prompt: str) -> str:
    """Return how certain the best box of a prompt is."""
    scores = [box.score for box in boxes if box.label == prompt]
    return f"the best of {len(scores)} has a score of {max(scores):.2f}" if scores else "there is none"


def name(scene: Scene) -> str:
    """Return which picture it is."""
    return f"{scene.source} frame {scene.frame}"


def row(what: str, counts: Tally) -> str:
    """Return a row of the table."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    cells = [counts.found + counts.missed, counts.found, counts.missed, counts.wrong]
    rates = [f"{counts.precision:.2f}", f"{counts.recall:.2f}"]
    return f"| {today} | {what} | {' | '.join(map(str, [*cells, *rates]))} |"


if __name__ == "__main__":
    main()
