"""Parquet: a row for each frame, for those who select and count."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_miner.dataset.coco import IMAGES
from data_miner.dataset.gather import Dataset, DatasetFrame

_SCORE = pa.struct([("prompt", pa.string()), ("score", pa.float32())])
#: xyxy in pixels
_OBJECT = pa.struct(
    [
        ("label", pa.string()),
        ("score", pa.float32()),
        *((side, pa.float32()) for side in ("x1", "y1", "x2", "y2")),
    ]
)
_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("file_name", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("video_sha256", pa.string()),
        ("time_s", pa.float64()),
        ("source_url", pa.string()),
        ("other_urls", pa.list_(pa.string())),
        ("title", pa.string()),
        ("uploader", pa.string()),
        ("license", pa.string()),
        ("stands_for", pa.int32()),
        ("scores", pa.list_(_SCORE)),
        ("objects", pa.list_(_OBJECT)),
    ]
)


def write_parquet(dataset: Dataset, file: Path) -> None:
    """Write the table; its metadata names project and configuration."""
    schema = _SCHEMA.with_metadata({"project": dataset.config.project, "config_hash": dataset.config_hash})
    table = pa.Table.from_pylist([_row(frame) for frame in dataset.frames], schema=schema)
    pq.write_table(table, file, compression="zstd")


def _row(frame: DatasetFrame) -> dict[str, Any]:
    return {
        "id": frame.id,
        "file_name": f"{IMAGES}/{frame.name}",
        "width": frame.width,
        "height": frame.height,
        "video_sha256": frame.video,
        "time_s": frame.time_ms / 1000,
        "source_url": frame.url,
        "other_urls": [origin.url for origin in frame.origins[1:]],
        "title": frame.said("title"),
        "uploader": frame.said("uploader"),
        "license": frame.said("license"),
        "stands_for": frame.stands_for,
        "scores": [{"prompt": prompt, "score": score} for prompt, score in frame.scores.items()],
        "objects": [asdict(found) for found in frame.objects],
    }
