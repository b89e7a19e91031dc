"""Taints that somebody else has set are in the way of others before anything is done."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from filter_plugins.preflight import preflight_report
from miner_cluster.cluster import CHECKOUT, Cluster
from miner_cluster.kube.api import KubeError
from miner_cluster.preflight_taints import taint_troubles
from tests.unit.preflight.conftest import Look

CONFLICT = ("has the taint a=x:NoSchedule, which somebody else has set", "write that one")


def lookup() -> Any:
    spec = importlib.util.spec_from_file_location(
        "lookup", CHECKOUT / "lookup_plugins" / "taint_conflicts.py"
    )
    assert spec
    assert spec.loader
    plugin: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    return plugin


class Nodes:
    """An API that knows one node, or does not answer."""

    def __init__(self, taints: list[dict[str, str]] | None) -> None:
        self.taints = taints

    def __call__(self, *_: Any, **__: Any) -> Nodes:
        return self

    def list(self, *_: str) -> list[dict[str, Any]]:
        if self.taints is None:
            raise KubeError("The API does not answer")
        return [{"metadata": {"name": "lab-agent-1"}, "spec": {"taints": self.taints}}]


@pytest.fixture
def tainted(cluster: Cluster) -> Cluster:
    """A cluster whose agent is to have a taint."""
    node = cluster.nodes["lab-agent-1"].model_copy(update={"taints": ["a=y:NoSchedule"]})
    return cluster.model_copy(update={"nodes": cluster.nodes | {"lab-agent-1": node}})


def test_one_of_others_with_another_value_is_told_with_what_to_do(
    tainted: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = lookup()
    theirs = {"key": "a", "value": "x", "effect": "NoSchedule"}
    monkeypatch.setattr(plugin, "Api", Nodes([theirs]))
    ((found, remedy),) = plugin.in_the_way(tainted)["lab-agent-1"]
    assert "taint a=x:NoSchedule, which somebody else has set, and cluster_config.yaml wants a=y:" in found
    assert remedy.endswith("kubectl taint nodes lab-agent-1 a:NoSchedule-")


@pytest.mark.parametrize(
    "taints",
    [None, [], [{"key": "a", "value": "y", "effect": "NoSchedule"}], [{"key": "b", "effect": "NoSchedule"}]],
)
def test_others_and_a_cluster_that_does_not_answer_are_in_nobodys_way(
    tainted: Cluster, taints: list[dict[str, str]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = lookup()
    monkeypatch.setattr(plugin, "Api", Nodes(taints))
    assert plugin.in_the_way(tainted) == {}


def test_nobody_is_asked_where_no_machine_is_to_have_a_taint(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = lookup()
    monkeypatch.setattr(plugin, "Api", lambda *_, **__: pytest.fail("was asked"))
    assert plugin.in_the_way(cluster) == {}


@pytest.mark.parametrize(
    ("units", "away", "told"), [(["k3s-agent"], [], 1), ([], [], 0), (["k3s-agent"], ["lab-agent-1"], 0)]
)
def test_a_new_machine_and_one_that_is_away_get_no_taint_of_their_node(
    facts: Look, units: list[str], away: list[str], told: int
) -> None:
    found = taint_troubles({"lab-agent-1": facts(k3s_units=units)}, away, {"lab-agent-1": [CONFLICT]})
    assert [(one.where, one.found, one.remedy) for one in found] == [("lab-agent-1", *CONFLICT)] * told


def test_the_report_of_all_that_is_in_the_way_has_them(cluster: Cluster, facts: Look) -> None:
    looks = {name: {"facts": facts(k3s_units=["k3s"])} for name in cluster.nodes}
    found = preflight_report(cluster.plain(), looks, {}, 0.0, {}, taints={"lab-agent-1": [CONFLICT]})
    assert all(words in found["problems"] for words in CONFLICT)
