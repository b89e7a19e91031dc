"""Taints that end pods come after what may tolerate them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from miner_cluster.in_process import module
from tests.unit.kube.fake_api import FakeApi
from tests.unit.kube.test_upgrade import node

TAINTS = ["dedicated=db:NoExecute", "dedicated=db:NoSchedule"]


def test_a_node_of_before_is_given_them_when_evicting_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = node("old")
    old["metadata"].setdefault("annotations", {})["data-miner/labels"] = "[]"
    api = FakeApi(old, node("new"))
    loaded = module("kube_nodes")
    monkeypatch.setattr(loaded, "Api", lambda *_: api)
    (tmp_path / "kubeconfig").touch()
    params: dict[str, Any] = {
        "kubeconfig": str(tmp_path / "kubeconfig"),
        "labels": {"old": {"role": "x"}, "new": {"role": "x"}},
        "taints": {"old": TAINTS, "new": TAINTS},
        "left_out": [],
        "wait_s": 0,
    }

    def effects(name: str) -> set[str]:
        taints = api.objects[f"/api/v1/nodes/{name}"].get("spec", {}).get("taints", [])
        return {taint["effect"] for taint in taints}

    both = {"NoSchedule", "NoExecute"}
    loaded.run(params | {"evict": False}, check=False)
    assert (effects("old"), effects("new")) == ({"NoSchedule"}, both)
    assert loaded.run(params | {"evict": True}, check=False)["tainted"] == ["old"]
    assert (effects("old"), effects("new")) == (both, both)
    assert not loaded.run(params | {"evict": False}, check=False)["changed"]


def test_site_sets_them_after_the_application() -> None:
    plays = yaml.safe_load((CHECKOUT / "site.yml").read_text())
    site = [play["ansible.builtin.import_playbook"] for play in plays]
    assert site.index("playbooks/taints.yml") > site.index("playbooks/app.yml")
    k3s = yaml.safe_load((CHECKOUT / "playbooks/k3s.yml").read_text())
    tasks = [task for play in k3s for task in play.get("tasks", []) if "kube_nodes" in task]
    assert [task["kube_nodes"]["evict"] for task in tasks] == [False]
