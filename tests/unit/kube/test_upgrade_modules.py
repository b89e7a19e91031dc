"""The modules of an upgrade: what each does to a node, and that check mode does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.in_process import module
from miner_cluster.kube.api import KubeError, Object
from tests.unit.cluster.conftest import GOOD
from tests.unit.kube.test_draining import pod
from tests.unit.kube.test_upgrade import NEW, OLD, Everywhere, node, of, workload

NODE = "/api/v1/nodes/two"


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster that is to run the new version."""
    path = tmp_path / "cluster_config.yaml"
    path.write_text(GOOD.replace(OLD, NEW))
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


class Run:
    """Runs modules against an API in memory."""

    def __init__(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *objects: Object) -> None:
        self.cluster, self.monkeypatch = cluster, monkeypatch
        self.api = Everywhere(*objects)

    def __call__(self, name: str, *, check: bool = False, **params: Any) -> dict[str, Any]:
        loaded = module(name)
        self.monkeypatch.setattr(loaded, "Api", lambda *_, **__: self.api)
        defaults = {key: option.get("default") for key, option in loaded.ARGUMENTS.items()}
        result: dict[str, Any] = loaded.run(
            defaults | {"cluster": self.cluster.plain()} | params, check=check
        )
        return result

    @property
    def closed(self) -> bool:
        """Whether the node takes no pods."""
        return bool(self.api.objects[NODE].get("spec", {}).get("unschedulable"))


def on_two(name: str, label: str) -> Object:
    made = of(name, label)
    made["spec"]["nodeName"] = "two"
    return made


@pytest.fixture
def run(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A server and an agent that runs a complete workload."""
    return Run(
        cluster,
        monkeypatch,
        node("one"),
        node("two"),
        workload("Deployment", "fine", ready=1),
        on_two("fine-1", "fine"),
    )


def test_a_node_is_closed_and_emptied_and_opened_again(run: Run) -> None:
    found = run("kube_node_closed", node="two", drain=True, wait_s=5)
    assert [one["metadata"]["name"] for one in found["workloads"]] == ["fine"]
    assert run.closed
    assert run.api.went == ["fine-1"]
    run.api.objects[NODE]["status"]["nodeInfo"]["kubeletVersion"] = NEW
    assert run("kube_node_open", node="two", version=NEW, wait_s=5)["changed"]
    assert not run.closed
    run("kube_workloads_back", workloads=found["workloads"], wait_s=5)


@pytest.mark.parametrize(("drain", "ready"), [(False, True), (True, False)], ids=["not asked", "not Ready"])
def test_a_node_that_is_not_drained_is_closed_all_the_same(run: Run, *, drain: bool, ready: bool) -> None:
    run.api.objects[NODE] = node("two", ready=ready)
    run("kube_node_closed", node="two", drain=drain, wait_s=5)
    assert run.closed
    assert run.api.went == []


def test_a_node_that_does_not_come_back_stays_closed(run: Run) -> None:
    run("kube_node_closed", node="two", drain=False)
    with pytest.raises(KubeError, match=f"two still says that it runs {OLD.replace('+', '.')}"):
        run("kube_node_open", node="two", version=NEW, wait_s=0)
    assert run.closed


def test_check_mode_does_nothing_and_waits_for_nothing(run: Run) -> None:
    found = run("kube_node_closed", node="two", drain=True, check=True)
    assert found["workloads"]
    assert run("kube_node_open", node="two", version=NEW, check=True)["changed"]
    run.api.objects["/apis/apps/v1/namespaces/data-miner/deployments/fine"]["status"] = {}
    run("kube_workloads_back", workloads=found["workloads"], check=True)
    assert not run.closed
    assert run.api.went == []


def test_the_plan_names_each_node_with_what_happens_to_it(run: Run) -> None:
    plan = run("k3s_upgrade_plan", hosts=["one", "two", "three"])
    assert plan["nodes"] == {name: {"before": OLD, "drain": True} for name in ("one", "two")}
    assert (plan["servers"], plan["agents"], plan["absent"]) == (["one"], ["two"], ["three"])
    assert (plan["first"], plan["back"]) == (["two"], False)
    assert not plan["changed"]


def test_pods_of_others_that_would_lose_something_stop_it_unless_they_may_go(run: Run) -> None:
    theirs = pod("db", node="two")
    theirs["metadata"]["namespace"] = "theirs"
    theirs["spec"]["volumes"] = [{"emptyDir": {}}]
    run.api.objects["/api/v1/pods/theirs"] = theirs
    with pytest.raises(KubeError, match="theirs/db: it has data in an emptyDir"):
        run("k3s_upgrade_plan", hosts=["one", "two"])
    assert run("k3s_upgrade_plan", hosts=["one", "two"], force=True)["agents"] == ["two"]
    assert run("k3s_upgrade_plan", hosts=["one", "two"], drain="never")["agents"] == ["two"]


def test_pods_of_others_that_came_after_the_plan_are_asked_about_too(run: Run) -> None:
    theirs = pod("shell", node="two")
    theirs["metadata"]["namespace"] = "kube-system"
    del theirs["metadata"]["ownerReferences"]
    run.api.objects["/api/v1/namespaces/kube-system/pods/shell"] = theirs
    with pytest.raises(KubeError, match="kube-system/shell: nothing makes it anew elsewhere"):
        run("kube_node_closed", node="two", drain=True, wait_s=5)
    assert not run.closed
    run("kube_node_closed", node="two", drain=False)
    assert run.api.went == []
    run("kube_node_closed", node="two", drain=True, force=True, wait_s=5)
    assert "shell" in run.api.went


def test_an_upgrade_does_not_pass_over_what_it_stopped_for(run: Run) -> None:
    run.api.objects["/api/v1/nodes/one"] = node("one", NEW)
    assert run("k3s_upgrade_plan", hosts=["one", "two"], wait_s=0)["agents"] == ["two"]
    path = "/apis/apps/v1/namespaces/data-miner/deployments/fine"
    run.api.objects[path]["status"]["availableReplicas"] = 0
    with pytest.raises(KubeError, match=r"fine: 0 of 1 pods ready\. .*-e upgrade_incomplete=true"):
        run("k3s_upgrade_plan", hosts=["one", "two"], wait_s=0)
    assert run("k3s_upgrade_plan", hosts=["one", "two"], incomplete=True)["agents"] == ["two"]


def test_machines_that_were_replaced_in_mid_upgrade_are_left_to_a_run_that_takes_them_in(run: Run) -> None:
    run.api.objects["/api/v1/nodes/one"] = node("one", NEW)
    run.api.objects["/api/v1/nodes/three"] = node("three", ready=False)
    pinned = workload("StatefulSet", "volume-three", ready=0)
    pinned["spec"]["template"] = {"spec": {"nodeSelector": {"kubernetes.io/hostname": "three"}}}
    run.api.objects["/apis/apps/v1/namespaces/data-miner/statefulsets/volume-three"] = pinned
    hosts = ["one", "two", "three"]
    plan = run("k3s_upgrade_plan", hosts=hosts, replaced=["three"], wait_s=0)
    assert (plan["agents"], plan["absent"]) == (["two"], ["three"])
    # As long as it is one of the cluster's, its part of the storage is waited for.
    with pytest.raises(KubeError, match="volume-three: 0 of 1 pods ready"):
        run("k3s_upgrade_plan", hosts=hosts, wait_s=0)
    # Away, and left out by --limit.
    assert run("k3s_upgrade_plan", hosts=["one", "two"], wait_s=0)["agents"] == ["two"]


def test_a_cluster_whose_first_server_was_replaced_is_not_upgraded(run: Run) -> None:
    with pytest.raises(KubeError, match=r"Nothing was done\. one has no k3s, and all others join"):
        run("k3s_upgrade_plan", hosts=["one", "two"], replaced=["one"])


def test_an_upgrade_that_was_killed_at_a_closed_node_goes_on_there(run: Run) -> None:
    run.api.objects["/api/v1/nodes/one"] = node("one", NEW)
    run.api.objects[NODE] = node("two", closed="upgrade")
    run.api.objects["/apis/apps/v1/namespaces/data-miner/deployments/fine"]["status"] = {}
    assert run("k3s_upgrade_plan", hosts=["one", "two"], wait_s=0)["agents"] == ["two"]
