"""What is worked out once for each machine reads no other one: else a fleet's time grows with its square."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from filter_plugins.models import model_host, runs_models
from filter_plugins.nodes import gpu_runtime, gpu_runtime_path, gpu_toolkit, gpu_used
from filter_plugins.preflight import preflight_wants
from miner_cluster.cluster import as_cluster
from tests.unit.cluster.conftest import GOOD, Load

LOOK = {"facts": {"nvidia": {"gpus": ["0000:01:00.0"], "missing": [], "toolkit": "/usr/bin"}}}


class Unread(dict[str, Any]):
    """A node that must not be read."""

    def __getitem__(self, key: str) -> Any:
        raise AssertionError(f"the node {dict.get(self, 'name')} was read")

    def items(self) -> Any:
        raise AssertionError(f"the node {dict.get(self, 'name')} was read")


@pytest.mark.parametrize(
    "asked",
    [
        gpu_used,
        gpu_toolkit,
        gpu_runtime,
        gpu_runtime_path,
        runs_models,
        lambda cluster, variables: preflight_wants(cluster, variables["inventory_hostname"]),
    ],
)
def test_no_other_machine_is_read(load: Load, asked: Callable[[Any, Any], Any]) -> None:
    whole = load(GOOD).plain()
    variables = {"inventory_hostname": "two", "_preflight_look": LOOK}
    wanted = asked(whole, variables)
    others = {name: node if name == "two" else Unread(node) for name, node in whole["nodes"].items()}
    assert asked(whole | {"nodes": others}, variables) == wanted


def test_the_first_machine_with_models_ends_the_search(load: Load) -> None:
    whole = load(GOOD.replace("schedule_on: gpu, hf_token: true", "schedule_on: all")).plain()
    nodes = {name: node if name == "one" else Unread(node) for name, node in whole["nodes"].items()}
    assert model_host(whole | {"nodes": nodes}, {}) == "one"


def test_a_cluster_of_some_nodes_is_the_same_but_for_the_others(load: Load) -> None:
    cluster = load(GOOD)
    some = as_cluster(cluster.plain(), nodes=["two"])
    assert some == cluster.model_copy(update={"nodes": {"two": cluster.nodes["two"]}})
