"""The GPU label follows the configuration, else what was found, else it stays."""

from __future__ import annotations

from typing import Any

import pytest

from filter_plugins.nodes import node_labels


def found(gpus: list[str]) -> dict[str, Any]:
    """The variables of n1 after preflight has looked at it."""
    return {"n1": {"_preflight_look": {"facts": {"nvidia": {"gpus": gpus, "missing": []}}}}}


@pytest.mark.parametrize(
    ("gpu", "found", "label"),
    [
        (None, found(["0000:01:00.0"]), {"data-miner/gpu": "true"}),
        (None, found([]), {}),
        (None, {"n1": {}}, {"data-miner/gpu": None}),
        (None, {}, {"data-miner/gpu": None}),
        (None, {"n1": {"_preflight_look": {"msg": "away"}}}, {"data-miner/gpu": None}),
        (False, found(["0000:01:00.0"]), {}),
    ],
)
def test_the_gpu_label(gpu: bool | None, found: dict[str, Any], label: dict[str, Any]) -> None:
    nodes = {"n1": {"gpu": gpu, "labels": {"zone": "a"}}}
    assert node_labels(nodes, found) == {"n1": {"zone": "a", **label}}
