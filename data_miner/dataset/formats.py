"""What a dataset can be written as."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What a dataset is written as; the images come with the first."""

    COCO = "coco"
    PARQUET = "parquet"
    HTML = "html"
