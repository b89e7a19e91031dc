"""k3s is upgraded by a minor version under a running pipeline, with what can go wrong on the way."""

from __future__ import annotations

import json

import pytest

from miner_cluster.artifacts.k3s import stand_ins
from tests.e2e.api_outage import asking, client
from tests.e2e.items import lost, read_items
from tests.e2e.lab import ROOT, Busy, Lab, left, wait_for
from tests.e2e.test_2_faults import all_ready, ready
from tests.e2e.upgrades import break_k3s, closed, mend_k3s, versions

OLD, NEW = stand_ins(ROOT / "lab")
UPGRADE = "playbooks/upgrade.yml"


def want(lab: Lab, version: str) -> None:
    file = lab.inventory / "cluster_config.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace(OLD, version).replace(NEW, version))


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

    with client(lab.state / "kubeconfig") as api, asking(lambda: read_items(lab, project)) as database:
        # Killed while the server is closed, and its pods are on their way.
        drained = "Close the node and have its pods move away"
        lab.kill_play(UPGRADE, *chosen, when=drained, once=lambda: closed(lab))
        assert closed(lab) == [server]

        break_k3s(lab, last, NEW)
        stopped = lab.play(UPGRADE, *chosen, "-e", "backup=false")
        assert stopped.code != 0
        assert f"{last} was not upgraded" in stopped.output
        assert f"It runs {OLD} again and takes pods." in stopped.output
        assert versions(lab) == {server: NEW, first: NEW, last: OLD}
        assert closed(lab) == []
        assert all(ready(node) for node in lab.get("nodes")["items"])

        mend_k3s(lab, last)
        finished = lab.play(UPGRADE, *chosen, "-e", "backup=false").ok()
        assert f"{last}, 1 of 1: {OLD} → {NEW}" in finished.output
        assert set(versions(lab).values()) == {NEW}
        assert closed(lab) == []
        assert lab.play(UPGRADE, *chosen).ok().output.count(f"Every machine runs {NEW}") == 1

    away = {"reads": api.reads, "writes": api.writes, "database": database}
    print(json.dumps({f"{name}_away_s": round(one.longest_s(), 1) for name, one in away.items()}))

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
