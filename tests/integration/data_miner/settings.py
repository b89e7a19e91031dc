"""The configuration of a project with all stages, for models that see brightness only."""

from __future__ import annotations

from typing import Any

STAGES = ["search", "download", "extract", "filter", "dedup", "detect"]


def settings(**changes: Any) -> dict[str, Any]:
    """All stages: dark frames pass, those within a few grey levels of each other are the same."""
    base: dict[str, Any] = {
        "stages": STAGES,
        "extract": {"fps": 10, "jpeg_quality": 95, "min_difference": 0},
        "filter": {"model": "m", "positive_prompts": ["dark"], "threshold": 0.9},
        "dedup": {"model": "m", "embedding_min_similarity": 0.999, "hash_max_distance": 0},
        "detect": {"model": "d", "prompts": ["thing"], "box_threshold": 0.5},
    }
    return {
        key: {**base.get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in {**base, **changes}.items()
    }
