"""The state of a cluster for people: at a glance, however many machines there are."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.report import Look, Report, build
from miner_cluster.report_text import GLANCE, as_text
from tests.unit.kube.conftest import obj

GIB = 1 << 30
MANY = 1000
LOOK = Look(mounted=True, free_bytes=8 * GIB, total_bytes=11 * GIB, stored_bytes=GIB)
READY = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1, "replicas": 1}


@pytest.fixture(scope="module")
def fleet() -> Cluster:
    path = CHECKOUT / "inventory" / "production" / "cluster_config.yaml"
    small = resolve_cluster(load_cluster_file(path).file, config_file=path)
    agent = small.nodes["box1"]
    nodes = {f"node{number}": agent.model_copy(update={"name": f"node{number}"}) for number in range(MANY)}
    return small.model_copy(update={"nodes": {"gpu1": small.nodes["gpu1"]} | nodes})


def report(fleet: Cluster, *, looks: dict[str, Look] | None = None, **more: Any) -> Report:
    """A fleet that is well, with a volume server on each machine."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    workloads, pods = [], []
    for name in fleet.nodes:
        selector = {"matchLabels": {"app.kubernetes.io/name": f"volume-{name}"}}
        spec = {"replicas": 1, "selector": selector}
        workloads.append(obj("StatefulSet", f"volume-{name}", "seaweedfs", spec=spec, status=READY))
        status = {"phase": "Running", **ready}
        pod = obj("Pod", f"volume-{name}-0", "seaweedfs", spec={"nodeName": name}, status=status)
        pod["metadata"]["labels"] = selector["matchLabels"]
        pods.append(pod)
    given = {
        "nodes": [obj("Node", name, None, status=ready, spec={}) for name in fleet.nodes],
        "workloads": workloads,
        "pods": pods,
        "looks": dict.fromkeys(fleet.nodes, LOOK) | (looks or {}),
        "projects": {},
        "stand_ins": [],
    }
    return build(fleet, **(given | more))


def test_a_thousand_machines_that_are_well_fit_on_a_screen(fleet: Cluster) -> None:
    text = as_text(report(fleet))
    assert len(text.splitlines()) < 2 * GLANCE
    assert "everything runs" in text
    assert f"{MANY} machines  agent   Ready" in text
    assert f"{MANY + 1} of them  {MANY + 1}/{MANY + 1}" in text


def test_programs_get_every_machine(fleet: Cluster) -> None:
    assert len(report(fleet)["nodes"]) == MANY + 1


def test_the_machines_that_are_not_well_are_shown_among_a_thousand(fleet: Cluster) -> None:
    seen = report(fleet, looks={"node7": Look(mounted=False), "node8": Look()})
    rows = [line.split() for line in as_text(seen).splitlines()]
    assert [row[-2:] for row in rows if row[:1] == ["node7"]] == [["NOT", "MOUNTED"]]
    assert [row[-1] for row in rows if row[:2] == ["node8", "agent"]] == ["?"]


def test_the_least_free_disk_is_named(fleet: Cluster) -> None:
    text = as_text(report(fleet, looks={"node9": Look(**{**LOOK, "free_bytes": GIB})}))
    assert "1.0 GiB or more (node9)" in text


def test_a_volume_server_that_does_not_run_is_shown_among_a_thousand(fleet: Cluster) -> None:
    whole = report(fleet)
    whole["workloads"][5]["ready"] = 0
    text = as_text(whole)
    assert [whole["workloads"][5]["name"], "0/1"] in [line.split()[:2] for line in text.splitlines()]
    assert f"{MANY} of them" in text


def test_a_thousand_problems_are_counted_and_the_first_are_shown(fleet: Cluster) -> None:
    sentences = [f"sentence {number}" for number in range(MANY)]
    text = as_text(report(fleet, problems=sentences, drift=sentences))
    assert f"{MANY} problems" in text
    assert text.count(f"and {MANY - GLANCE + 1} more; all of them: make status-json") == 2
    assert text.count(f"  sentence {GLANCE - 2}\n") == 2
    assert f"sentence {GLANCE - 1}\n" not in text


def test_what_was_done_on_a_thousand_machines_adds_up(fleet: Cluster) -> None:
    nodes = {f"node{number}": {"extract": number} for number in range(MANY)}
    project = {"videos": 1, "bytes": 1, "frames": 1, "stages": {}, "nodes": nodes}
    text = as_text(report(fleet, projects={"demo": project}))
    done = [line for line in text.splitlines() if line.startswith("done on ")]
    assert len(done) == GLANCE
    assert done[0] == f"done on node{MANY - 1}: extract {MANY - 1}"
    assert sum(int(line.rsplit(" ", 1)[1]) for line in done) == sum(range(MANY))
