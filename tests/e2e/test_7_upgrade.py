"""k3s is upgraded by a minor version under a running pipeline, with what can go wrong on the way."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from miner_cluster.artifacts.k3s import stand_ins
from tests.e2e.items import lost, read_items
from tests.e2e.lab import ROOT, Busy, Lab, left, wait_for
from tests.e2e.test_2_faults import all_ready, ready

OLD, NEW = stand_ins(ROOT / "lab")
UPGRADE = "playbooks/upgrade.yml"
#: has k3s fail on a machine in the new version only
DROP_IN = Path("/etc/systemd/system/k3s-agent.service.d/broken.conf")
BREAK = f"""mkdir -p {DROP_IN.parent} && cat >{DROP_IN} <<'EOF' && systemctl daemon-reload
[Service]
ExecStartPre=/bin/sh -c '! /usr/local/bin/k3s --version | grep -F {NEW}'
EOF"""
MEND = f"rm {DROP_IN} && systemctl daemon-reload"


def versions(lab: Lab) -> dict[str, str]:
    nodes = lab.get("nodes")["items"]
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}


def closed(lab: Lab) -> list[str]:
    nodes = lab.get("nodes")["items"]
    return [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]


def want(lab: Lab, version: str) -> None:
    file = lab.inventory / "cluster_config.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace(OLD, version).replace(NEW, version))


def killed_upgrade(lab: Lab, *chosen: str, when: str) -> None:
    """Start an upgrade and kill all of it when a text has come and a node is closed."""
    with lab.start_play(UPGRADE, *chosen) as process:
        assert process.stdout is not None
        timer = threading.Timer(900, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        for line in process.stdout:
            if when in line:
                wait_for("a node is closed", lambda: closed(lab))
                os.killpg(process.pid, signal.SIGKILL)
        timer.cancel()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.soak
def test_a_minor_version_later_under_load_interrupted_and_with_a_broken_machine_nothing_is_lost(
    lab: Lab, busy: Busy
) -> None:
    project, chosen = busy
    server, first, last = lab.nodes()
    wait_for("there is work", lambda: left(lab, project))
    seen = read_items(lab, project)
    want(lab, NEW)

    refused = lab.play("site.yml", *chosen)
    assert refused.code != 0
    assert f"runs k3s {OLD}, and cluster.k3s_version is {NEW}" in " ".join(refused.output.split())
    assert set(versions(lab).values()) == {OLD}

    look = lab.play(UPGRADE, "--check", *chosen).ok()
    assert all(f"{name}, " in look.output for name in lab.nodes())
    assert set(versions(lab).values()) == {OLD}

    # Killed while the server is closed, and its pods are on their way.
    killed_upgrade(lab, *chosen, when="Close the node and have its pods move away")
    assert closed(lab) == [server]

    assert lab.ssh(last, BREAK).returncode == 0
    stopped = lab.play(UPGRADE, *chosen, "-e", "backup=false")
    assert stopped.code != 0
    assert f"{last} was not upgraded" in stopped.output
    assert f"It runs {OLD} again and takes pods." in stopped.output
    assert versions(lab) == {server: NEW, first: NEW, last: OLD}
    assert closed(lab) == []
    assert all(ready(node) for node in lab.get("nodes")["items"])

    assert lab.ssh(last, MEND).returncode == 0
    finished = lab.play(UPGRADE, *chosen, "-e", "backup=false").ok()
    assert f"{last}, 1 of 1: {OLD} → {NEW}" in finished.output
    assert set(versions(lab).values()) == {NEW}
    assert closed(lab) == []
    assert lab.play(UPGRADE, *chosen).ok().output.count(f"Every machine runs {NEW}") == 1

    wait_for("every pod is ready", lambda: all_ready(lab), timeout_s=300)
    wait_for("all work is done", lambda: not left(lab, project), timeout_s=900)
    after = read_items(lab, project)
    assert lost(seen, after) == []
    assert "dead" not in after.values()
    stages = lab.status()["projects"][project]["stages"]
    # Each video went the whole way.
    done = {stage: stages[stage]["done"] for stage in ("download", "extract", "filter", "dedup")}
    assert len(set(done.values())) == 1, done
    assert set(lab.play("site.yml", *chosen).ok().changed.values()) == {0}
