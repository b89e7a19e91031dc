"""Nodes that were to leave the cluster and are in the file again take pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miner_cluster.in_process import module
from miner_cluster.kube.draining import CLOSED_FOR
from tests.unit.kube.fake_api import FakeApi
from tests.unit.kube.test_upgrade import node

ALL = ("back", "upgraded", "open")


@pytest.fixture
def api() -> FakeApi:
    """Nodes that are closed for several reasons."""
    return FakeApi(node("back", closed="leaving"), node("upgraded", closed="upgrade"), node("open"))


def run(api: FakeApi, monkeypatch: pytest.MonkeyPatch, path: Path, *, check: bool) -> dict[str, Any]:
    loaded = module("kube_nodes")
    monkeypatch.setattr(loaded, "Api", lambda *_: api)
    kubeconfig = path / "kubeconfig"
    kubeconfig.touch()
    params = {"kubeconfig": str(kubeconfig), "labels": {name: {} for name in ALL}}
    defaults = {"taints": {}, "evict": True, "left_out": [], "wait_s": 0}
    found: dict[str, Any] = loaded.run(params | defaults, check=check)
    return found


def closed(api: FakeApi) -> list[str]:
    nodes = [api.objects[f"/api/v1/nodes/{name}"] for name in ALL]
    return [one["metadata"]["name"] for one in nodes if one.get("spec", {}).get("unschedulable")]


def test_a_node_that_was_to_leave_is_opened_and_no_other(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(api, monkeypatch, tmp_path, check=True)["opened"] == ["back"]
    assert closed(api) == ["back", "upgraded"]
    found = run(api, monkeypatch, tmp_path, check=False)
    assert found["changed"]
    assert closed(api) == ["upgraded"]
    assert CLOSED_FOR not in (api.objects["/api/v1/nodes/back"]["metadata"].get("annotations") or {})
    assert not run(api, monkeypatch, tmp_path, check=False)["opened"]
