"""Nodes that left the configuration, and whose the machine at their address is."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.cluster import resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.api import Object
from tests.unit.cluster.conftest import GOOD
from tests.unit.kube.test_draining import pod
from tests.unit.kube.test_node_removal import node
from tests.unit.kube.test_upgrade_modules import Run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A cluster with one, two and three."""
    path = tmp_path / "cluster_config.yaml"
    path.write_text(GOOD)
    return Run(resolve_cluster(load_cluster_file(path).file, config_file=path), monkeypatch)


def old(address: str) -> Object:
    made = node("old")
    made["status"]["addresses"] = [{"type": "InternalIP", "address": address}]
    return made


def test_a_machine_that_left_is_named_with_its_address(run: Run) -> None:
    run.api.objects["/api/v1/nodes/old"] = old("192.0.2.99")
    found = run("kube_nodes_gone", state="drained", wait_s=5)
    assert found["gone"] == {"old": "192.0.2.99"}
    assert found["reused"] == {}
    assert found["warnings"] == []


def test_a_machine_of_the_file_is_left_alone_where_one_that_left_had_its_address(run: Run) -> None:
    run.api.objects["/api/v1/nodes/old"] = old(run.cluster.nodes["two"].ip)
    run.api.objects["/api/v1/pods/there"] = pod("there", node="old")
    found = run("kube_nodes_gone", state="drained", wait_s=0)
    assert found["gone"] == {}
    assert found["reused"] == {"old": "two"}
    assert found["changed"]
    assert "two has its address now, so nothing is uninstalled there" in found["warnings"][0]
    assert run.api.went == []
    run("kube_nodes_gone", wait_s=0)
    assert "/api/v1/nodes/old" not in run.api.objects
