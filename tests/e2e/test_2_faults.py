"""One component broken at a time: the cluster mends itself, and no item is lost or done twice.

The shared storage's components are broken in test_2_storage.py, under traffic.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import Lab, wait_for


def pods(lab: Lab, namespace: str, app: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = lab.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
    return items


def ready(pod: dict[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def main_pid(lab: Lab, node: str, argument: str) -> int:
    """Process id on `node` of the process whose command line contains `argument`."""
    found = [int(line) for line in lab.ssh(node, f"pgrep -f -- '{argument}'").stdout.split()]
    assert found, f"no process with {argument!r} on {node}"
    return min(found)


def all_ready(lab: Lab) -> bool:
    everything = [*lab.get("pods", "-n", "data-miner")["items"], *lab.get("pods", "-n", "seaweedfs")["items"]]
    return all(ready(pod) or pod["status"].get("phase") == "Succeeded" for pod in everything)


def test_a_killed_postgres_loses_nothing(lab: Lab) -> None:
    before = lab.status()["projects"]["demo"]["stages"]
    lab.kubectl("delete", "pod", "-n", "data-miner", "postgres-0", "--grace-period=0", "--force")
    wait_for("postgres is back", lambda: all_ready(lab))
    wait_for("status answers as before", lambda: lab.status()["projects"]["demo"]["stages"] == before)


def restarts(lab: Lab, stage: str) -> dict[str, int]:
    """How often the container of each of a stage's pods was started again."""
    return {
        pod["metadata"]["name"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
        for pod in pods(lab, "data-miner", f"{stage}-worker")
    }


@pytest.mark.parametrize("stage", ["download", "extract", "monitor"])
def test_a_killed_worker_is_started_again(lab: Lab, stage: str) -> None:
    before = restarts(lab, stage)
    node = pods(lab, "data-miner", f"{stage}-worker")[0]["spec"]["nodeName"]
    assert lab.ssh(node, f"kill -9 {main_pid(lab, node, f'worker {stage}')}").returncode == 0
    wait_for("it was started again", lambda: sum(restarts(lab, stage).values()) > sum(before.values()))
    wait_for("every pod is ready", lambda: all_ready(lab))


def start_times(lab: Lab) -> dict[str, str]:
    found = pods(lab, "data-miner", "download-worker")
    return {pod["metadata"]["name"]: pod["status"]["startTime"] for pod in found}


def nodes_ready(lab: Lab) -> bool:
    return all(ready(node) for node in lab.get("nodes")["items"])


def k3s_process(lab: Lab, node: str, unit: str) -> str:
    """Process id of a node's k3s, 0 while it is down."""
    show = f"systemctl show {unit} --property MainPID --property ActiveState"
    shown = dict(line.split("=", 1) for line in lab.ssh(node, show).stdout.splitlines())
    return shown.get("MainPID", "0") if shown.get("ActiveState") == "active" else "0"


@pytest.mark.parametrize(("place", "unit"), [(0, "k3s"), (-1, "k3s-agent")])
def test_a_killed_k3s_restarts_and_its_pods_live_on(lab: Lab, place: int, unit: str) -> None:
    node = list(lab.nodes())[place]
    before, killed = start_times(lab), k3s_process(lab, node, unit)
    assert killed != "0"
    assert lab.ssh(node, f"systemctl kill --signal=KILL --kill-who=main {unit}").returncode == 0
    wait_for("another k3s runs", lambda: k3s_process(lab, node, unit) not in {"0", killed})
    wait_for("every node is Ready", lambda: nodes_ready(lab) and all_ready(lab))
    assert start_times(lab) == before


def test_site_after_the_faults_changes_nothing(lab: Lab) -> None:
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def test_frames_are_counted_once(lab: Lab) -> None:
    demo = lab.status()["projects"]["demo"]
    node = next(iter(lab.nodes()))
    listing = lab.ssh(node, "find /swdfs_mnt/swshared/data_miner_output -name '*.jpg'").stdout.split()
    assert len(listing) == len({Path(line) for line in listing}) == demo["frames"]
