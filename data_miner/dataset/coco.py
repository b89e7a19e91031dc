"""COCO's JSON, which detectors are trained from. Keys of our own say where each picture comes from."""

from __future__ import annotations

from typing import Any

from data_miner.dataset.gather import Dataset, DatasetFrame
from data_miner.db.dataset import ObjectBox

#: where the pictures are, seen from the JSON
IMAGES = "images"


def coco(dataset: Dataset) -> dict[str, Any]:
    """Return the dataset as COCO has it: boxes are [x, y, width, height] in pixels, ids count from 1."""
    licences = sorted({frame.said("license") for frame in dataset.frames} - {""})
    labels = {label: number for number, label in enumerate(dataset.labels, start=1)}
    annotations: list[dict[str, Any]] = []
    for frame in dataset.frames:
        for found in frame.objects:
            annotations.append(_annotation(len(annotations) + 1, frame, found, labels[found.label]))
    return {
        "info": {
            "description": f"{dataset.config.project}, mined from videos",
            "version": dataset.config_hash,
            "year": dataset.created_at.year,
            "date_created": dataset.created_at.isoformat(),
        },
        "licenses": [
            {"id": number, "name": name, "url": ""} for number, name in enumerate(licences, start=1)
        ],
        "images": [_image(frame, licences) for frame in dataset.frames],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": label, "supercategory": "object"} for label, number in labels.items()
        ],
    }


def _image(frame: DatasetFrame, licences: list[str]) -> dict[str, Any]:
    licence = frame.said("license")
    return {
        "id": frame.id,
        "file_name": f"{IMAGES}/{frame.name}",
        "width": frame.width,
        "height": frame.height,
        # 0 is nobody's: the site did not say
        "license": licences.index(licence) + 1 if licence else 0,
        "coco_url": "",
        "source_url": frame.url,
        "video_sha256": frame.video,
        "time_s": frame.time_ms / 1000,
    }


def _annotation(number: int, frame: DatasetFrame, found: ObjectBox, category: int) -> dict[str, Any]:
    x1, x2 = (min(max(side, 0.0), float(frame.width)) for side in (found.x1, found.x2))
    y1, y2 = (min(max(side, 0.0), float(frame.height)) for side in (found.y1, found.y2))
    width, height = x2 - x1, y2 - y1
    return {
        "id": number,
        "image_id": frame.id,
        "category_id": category,
        "bbox": [round(side, 2) for side in (x1, y1, width, height)],
        "area": round(width * height, 2),
        "iscrowd": 0,
        "segmentation": [],
        "score": round(found.score, 4),
    }
