"""The GPU label follows the configuration, else what was found, else it stays."""

from __future__ import annotations

from typing import Any

import pytest

from filter_plugins.nodes import node_labels, without_k3s


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


def test_machines_without_k3s_are_known_where_somebody_has_looked() -> None:
    roles = {"s1": "server", "s2": "server", "a1": "agent", "a2": "agent", "away": "agent"}
    units = {"s1": ["k3s.service"], "s2": [], "a1": [], "a2": ["k3s-agent.service"]}
    looks: dict[str, Any] = {
        name: {"_preflight_look": {"facts": {"k3s_units": found}}} for name, found in units.items()
    }
    looks["away"] = {"_preflight_look": {"msg": "no answer"}}
    cluster = {"nodes": {name: {"role": role} for name, role in roles.items()}}
    assert without_k3s(cluster, looks, "server") == ["s2"]
    assert without_k3s(cluster, looks, "agent") == ["a1"]
