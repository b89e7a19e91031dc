"""The detect stage: boxes the objects that the project's prompts name, in frames that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from data_miner.config.model import AppConfig, DetectConfig, Stage
from data_miner.detect.suppress import suppress
from data_miner.detect.tiles import tiles
from data_miner.frames import frame_path, read_frame
from data_miner.models.provider import Boxes, Detector
from data_miner.queue.items import NewItem, Outcome, params_hash
from data_miner.queue.records import FoundBox, ObjectsFound
from data_miner.threads import Threads, batches
from data_miner.workers.job import Job

#: boxes with lower scores are not kept, so that a lower threshold than this needs the model again
FLOOR = 0.1
#: of the raw boxes of a frame, as many as detectors usually give
_MOST_BOXES = 300
#: pictures and tiles made ready ahead of the model: each takes up to 20 MB as numbers
_AHEAD = 64


def item_for(config: AppConfig, sha256: str, frames_hash: str, times_ms: Sequence[int]) -> NewItem:
    """Return the detect item of some frames of a video."""
    return NewItem(
        project=config.project,
        stage=Stage.DETECT,
        key=sha256,
        params={**params_for(config, frames_hash), "times_ms": list(times_ms)},
    )


def params_for(config: AppConfig, frames_hash: str) -> dict[str, object]:
    """Return what the objects in a frame depend on; the size of batches is not among it."""
    return {
        "frames": frames_hash,
        **config.detect.model_dump(mode="json", exclude={"batch_size"}, exclude_none=True),
    }


def run(job: Job) -> Outcome:
    """Find objects in frames of one video; those whose raw boxes are kept are not looked at again.

    Raises:
        NotReadyError: the model can't be had now.
        RetryableError: a frame is not in the store.
    """
    item = job.item
    times_ms, frames_hash = item.params["times_ms"], item.params["frames"]
    frame_params = {key: value for key, value in item.params.items() if key != "times_ms"}
    params = DetectConfig.model_validate(
        {**_without(frame_params, "frames"), "batch_size": job.config.detect.batch_size}
    )
    floor = min(FLOOR, params.box_threshold)
    raw_hash = params_hash({**_without(frame_params, "box_threshold", "nms_iou", "frames"), "floor": floor})
    known = job.findings.raw_boxes(item.key, frames_hash=frames_hash, raw_hash=raw_hash, times_ms=times_ms)
    missing = [time_ms for time_ms in times_ms if time_ms not in known]
    raw = _look(job, frames_hash, missing, params, floor) if missing else {}
    objects = {time_ms: certain(boxes, params) for time_ms, boxes in sorted({**known, **raw}.items())}
    labels = Counter(box.label for boxes in objects.values() for box in boxes)
    return Outcome(
        result={"frames": len(times_ms), "objects": dict(labels)},
        records=[
            ObjectsFound(
                sha256=item.key,
                frames_hash=frames_hash,
                raw_hash=raw_hash,
                params_hash=params_hash(frame_params),
                raw=raw,
                objects=objects,
            )
        ],
    )


def certain(boxes: Sequence[FoundBox], params: DetectConfig) -> list[FoundBox]:
    """Return the boxes above the threshold that are not the same object as a better one, best first."""
    sure = [box for box in boxes if box.score >= params.box_threshold]
    kept = suppress(
        np.array([box.box for box in sure], np.float32).reshape(-1, 4),
        np.array([box.score for box in sure], np.float32),
        [box.label for box in sure],
        max_iou=params.nms_iou,
    )
    return [sure[row] for row in kept]


def _look(
    job: Job, frames_hash: str, times_ms: Sequence[int], params: DetectConfig, floor: float
) -> dict[int, list[FoundBox]]:
    detector = job.models.detector(params.model)
    directory = job.store.frames_path(job.item.key, frames_hash)
    raw: dict[int, list[FoundBox]] = {}
    with Threads() as threads:
        images = threads.ahead(lambda time_ms: read_frame(frame_path(directory, time_ms)), times_ms)
        boxes = look_at(detector, images, params, floor=floor, threads=threads)
        for time_ms, found in zip(times_ms, boxes, strict=True):
            raw[time_ms] = found_boxes(found)
            job.tick()
    return raw


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A picture, or a tile of it."""

    #: of the picture
    number: int
    #: how many there are of the picture
    of: int
    #: of its upper left corner in the picture, in pixels
    x: int
    y: int
    image: Image.Image


def look_at(
    detector: Detector,
    images: Iterable[Image.Image],
    params: DetectConfig,
    *,
    floor: float,
    threads: Threads,
) -> Iterator[Boxes]:
    """Yield the boxes in each picture, those of its tiles included."""

    def prepare(parts: list[_Part]) -> tuple[list[_Part], Any]:
        return parts, detector.prepare([part.image for part in parts], params.prompts)

    ahead = max(1, _AHEAD // params.batch_size)
    number, found = 0, dict[int, list[Boxes]]()
    wanted: dict[int, int] = {}
    for parts, prepared in threads.ahead(
        prepare, batches(_parts(images, params), params.batch_size), most=ahead
    ):
        results = detector.detect(prepared, floor=floor, text_threshold=params.text_threshold)
        for part, boxes in zip(parts, results, strict=True):
            corner = np.array([part.x, part.y, part.x, part.y], np.float32)
            whole = Boxes(xyxy=boxes.xyxy + corner, scores=boxes.scores, labels=boxes.labels)
            found.setdefault(part.number, []).append(whole)
            wanted[part.number] = part.of
        while number in found and len(found[number]) == wanted[number]:
            yield _joined(found.pop(number))
            number += 1


def _parts(images: Iterable[Image.Image], params: DetectConfig) -> Iterator[_Part]:
    """Yield some pictures and then their tiles, as a batch is quickest if all of it has one size."""
    for some in batches(enumerate(images), params.batch_size):
        cut = {number: _tiles(image, params) for number, image in some}
        for number, image in some:
            yield _Part(number=number, of=1 + len(cut[number]), x=0, y=0, image=image)
        for number, image in some:
            for tile in cut[number]:
                x, y = tile[:2]
                yield _Part(number=number, of=1 + len(cut[number]), x=x, y=y, image=image.crop(tile))


def _tiles(image: Image.Image, params: DetectConfig) -> list[tuple[int, int, int, int]]:
    if params.tile_side is None:
        return []
    return tiles(image.width, image.height, side=params.tile_side, overlap=params.tile_overlap)


def _joined(boxes: Sequence[Boxes]) -> Boxes:
    return Boxes(
        xyxy=np.concatenate([part.xyxy for part in boxes]),
        scores=np.concatenate([part.scores for part in boxes]),
        labels=[label for part in boxes for label in part.labels],
    )


def found_boxes(boxes: Boxes) -> list[FoundBox]:
    """Return the boxes of a frame as plain data, the best first."""
    order = np.argsort(-boxes.scores, kind="stable")[:_MOST_BOXES]
    return [
        FoundBox(
            label=boxes.labels[row],
            score=float(boxes.scores[row]),
            box=(
                float(boxes.xyxy[row, 0]),
                float(boxes.xyxy[row, 1]),
                float(boxes.xyxy[row, 2]),
                float(boxes.xyxy[row, 3]),
            ),
        )
        for row in order.tolist()
    ]


def _without(params: dict[str, object], *keys: str) -> dict[str, object]:
    return {key: value for key, value in params.items() if key not in keys}
