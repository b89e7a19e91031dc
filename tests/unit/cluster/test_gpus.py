"""Whose GPU is used, who gets the toolkit, and by which runtime pods share it."""

from __future__ import annotations

from typing import Any

import pytest

from filter_plugins.nodes import (
    gpu_nodes,
    gpu_runtime,
    gpu_runtime_path,
    gpu_toolkit,
    gpu_toolkit_hosts,
    gpu_used,
)
from tests.unit.cluster.conftest import GOOD, Load

WORKER = "  filter: {replicas: 1, schedule_on: gpu, hf_token: true}\n"
ADDRESS = "0000:01:00.0"
OURS, THEIRS = "/usr/local/nvidia/toolkit", "/usr/bin"


def machine(name: str, *gpus: str, missing: str = "", toolkit: str = "", **more: Any) -> dict[str, Any]:
    """The variables of a machine that preflight has looked at."""
    facts = {"gpus": list(gpus), "missing": [missing] if missing else [], "toolkit": toolkit}
    return {"inventory_hostname": name, "_preflight_look": {"facts": {"nvidia": facts}}, **more}


def text(said: bool | None) -> str:
    return (
        GOOD.replace("role: master,", f"role: master, gpu: {str(said).lower()},")
        if said is not None
        else GOOD
    )


@pytest.mark.parametrize(
    ("said", "gpus", "used"),
    [(None, [ADDRESS], True), (None, [], False), (True, [], True), (False, [ADDRESS], False)],
)
def test_the_file_says_whether_a_gpu_is_used_else_whether_one_is_there(
    load: Load, said: bool | None, gpus: list[str], used: bool
) -> None:
    assert gpu_used(load(text(said)).plain(), machine("one", *gpus)) == used


def test_a_gpu_that_nobody_asks_for_is_left_alone(load: Load) -> None:
    without = GOOD.replace(WORKER, "")
    assert WORKER in GOOD
    assert not gpu_used(load(without).plain(), machine("one", ADDRESS))
    plugin = "nvidia: {device_plugin: 'registry.example/plugin:1'}\n"
    assert gpu_used(load(plugin + without).plain(), machine("one", ADDRESS))


def test_a_machine_that_nobody_has_looked_at_is_left_alone(load: Load) -> None:
    cluster = load(GOOD).plain()
    for variables in (
        {"inventory_hostname": "one"},
        {"inventory_hostname": "one", "_preflight_look": {"msg": "away"}},
    ):
        assert not gpu_used(cluster, variables)
        assert gpu_runtime(cluster, variables) == ""
        assert gpu_toolkit_hosts(cluster, {"one": variables}) == []


@pytest.mark.parametrize(("toolkit", "gets"), [("", True), (OURS, True), (THEIRS, False)])
def test_a_machine_with_a_toolkit_of_its_own_keeps_it(load: Load, toolkit: str, gets: bool) -> None:
    cluster, variables = load(GOOD).plain(), machine("one", ADDRESS, toolkit=toolkit)
    assert gpu_toolkit_hosts(cluster, {"one": variables}) == (["one"] if gets else [])
    assert gpu_toolkit(cluster, variables) == gets


@pytest.mark.parametrize(
    ("missing", "toolkit", "more", "runtime"),
    [
        ("", OURS, {}, "nvidia"),
        ("", THEIRS, {}, "nvidia"),
        ("", "", {}, ""),
        ("", "", {"nvidia_spec": {"problem": ""}}, "nvidia"),
        ("", OURS, {"nvidia_spec": {"problem": "no libcuda"}}, ""),
        ("", OURS, {"nvidia_spec": {"skipped": True}}, "nvidia"),
        ("no driver", OURS, {}, ""),
    ],
)
def test_pods_share_a_gpu_only_where_it_can_be_used(
    load: Load, missing: str, toolkit: str, more: dict[str, Any], runtime: str
) -> None:
    cluster = load(GOOD).plain()
    found = machine("one", ADDRESS, missing=missing, toolkit=toolkit, **more)
    assert gpu_runtime(cluster, found) == runtime
    assert gpu_nodes(cluster, {"one": found}) == (["one"] if runtime else [])


def test_a_machine_that_only_stores_computes_nothing(load: Load) -> None:
    cluster = load(GOOD.replace("role: master,", "role: master, gpu: true,")).plain()
    cluster["nodes"]["one"]["storage_only"] = True
    assert gpu_nodes(cluster, {"one": machine("one", ADDRESS, toolkit=OURS)}) == []


@pytest.mark.parametrize(
    ("toolkit", "ran", "path"),
    [
        ("", True, f"{OURS}/nvidia-container-runtime"),
        (OURS, False, f"{OURS}/nvidia-container-runtime"),
        (THEIRS, True, f"{THEIRS}/nvidia-container-runtime"),
        ("", False, ""),
    ],
)
def test_k3s_is_told_where_the_runtime_lies_so_that_it_notices_a_move(
    load: Load, toolkit: str, ran: bool, path: str
) -> None:
    more: dict[str, Any] = {"nvidia_spec": {"problem": ""}} if ran else {}
    assert gpu_runtime_path(load(GOOD).plain(), machine("one", ADDRESS, toolkit=toolkit, **more)) == path
