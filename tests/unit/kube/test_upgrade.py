"""The plan of an upgrade, and what is waited for on its way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.api import KubeError, Object
from miner_cluster.kube.draining import CLOSED_FOR
from miner_cluster.kube.upgrade import (
    Plan,
    Turn,
    batch,
    make_plan,
    open_again,
    open_once_it_answers,
    refuse_drains,
    wait_until_all_is_back,
    wait_until_it_runs,
    well,
)
from tests.unit.cluster.conftest import GOOD
from tests.unit.cluster.test_several_servers import THREE
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import NAMESPACED, FakeApi
from tests.unit.kube.test_draining import Cluster as PodApi
from tests.unit.kube.test_draining import pod, waiting

OLD, NEW = "v1.31.0+k3s1", "v1.32.2+k3s1"


def node(name: str, version: str = OLD, *, ready: bool = True, closed: str | None = None) -> Object:
    made = obj("Node", name, None, status={"conditions": [{"type": "Ready", "status": str(ready)}]})
    made["status"]["nodeInfo"] = {"kubeletVersion": version}
    if closed:
        made["spec"] = {"unschedulable": True}
        made["metadata"]["annotations"] = {CLOSED_FOR: closed}
    return made


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A server and two agents that are to run the new version."""
    path = tmp_path / "cluster_config.yaml"
    path.write_text(GOOD.replace(OLD, NEW))
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


@pytest.fixture
def several(tmp_path: Path) -> Cluster:
    """Three servers."""
    path = tmp_path / "several.yaml"
    path.write_text(THREE.replace(OLD, NEW))
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


ALL = ("one", "two", "three")


def turn(name: str, *, server: bool = False, before: str = OLD, drain: bool = True) -> Turn:
    return Turn(name=name, server=server, before=before, drain=drain)


def test_servers_come_first_and_the_others_as_in_the_file(cluster: Cluster) -> None:
    plan = make_plan(cluster, [node("three"), node("two"), node("one"), node("somebody's")], ALL)
    assert plan.turns == (turn("one", server=True), turn("two"), turn("three"))
    assert plan.reopen == plan.absent == ()


def test_a_plan_made_again_goes_on_where_an_upgrade_stopped(cluster: Cluster) -> None:
    there = [node("one", NEW), node("two", NEW, closed="upgrade"), node("three", closed="upgrade")]
    plan = make_plan(cluster, there, ALL)
    assert plan.turns == (turn("three"),)
    assert plan.reopen == ("two",)


def test_a_node_that_is_closed_for_another_reason_stays_closed(cluster: Cluster) -> None:
    assert make_plan(cluster, [node("one", NEW), node("two", NEW, closed="leaving")], ALL).reopen == ()


def test_nothing_is_done_with_machines_that_are_not_there_or_not_in_the_run(cluster: Cluster) -> None:
    plan = make_plan(cluster, [node("one"), node("two")], ["one"])
    assert [turn.name for turn in plan.turns] == ["one"]
    assert plan.absent == ("three",)


@pytest.mark.parametrize(
    ("before", "drain", "drained"),
    [
        (OLD, None, True),
        ("v1.32.0+k3s1", None, False),
        (OLD, False, False),
        ("v1.32.0+k3s1", True, True),
    ],
    ids=["a minor", "a patch", "never", "always"],
)
def test_pods_move_away_where_the_minor_version_changes_or_as_one_says(
    cluster: Cluster, before: str, drain: bool | None, drained: bool
) -> None:
    (only,) = make_plan(cluster, [node("one", before)], ALL, drain=drain).turns
    assert only.drain is drained


@pytest.mark.parametrize(
    ("first", "remedy"),
    [(NEW, "site.yml --limit localhost,one,three"), (OLD, "site.yml, with the k3s_version of before")],
    ids=["in mid-upgrade", "before it began"],
)
def test_a_new_machine_of_a_server_is_taken_in_before_others_restart(
    several: Cluster, first: str, remedy: str
) -> None:
    there = [node("one", first), node("two"), node("three", ready=False)]
    with pytest.raises(KubeError, match=f"three has no k3s, and while .* {re.escape(remedy)}"):
        make_plan(several, there, ALL, replaced=["three"])
    # One that the cluster does not know is no server of it yet.
    assert make_plan(several, there[:2], ALL, replaced=["three"]).absent == ("three",)


def test_a_step_that_kubernetes_does_not_allow_is_refused_with_all_reasons(cluster: Cluster) -> None:
    with pytest.raises(KubeError) as error:
        make_plan(cluster, [node("one", "v1.30.0+k3s1"), node("two", "v1.33.0+k3s1")], ALL)
    text = str(error.value)
    assert text.startswith(f"Nothing was done. {NEW} can't be reached: ")
    assert "one runs v1.30.0+k3s1" in text
    assert "two runs v1.33.0+k3s1" in text


def test_an_older_patch_is_gone_back_to_only_where_that_is_meant(cluster: Cluster) -> None:
    there = [node("one", "v1.32.5+k3s1"), node("two", OLD)]
    with pytest.raises(
        KubeError, match=r"one runs v1\.32\.5\+k3s1, so .* older patch\. .*-e upgrade_back=true"
    ):
        make_plan(cluster, there, ALL)
    plan = make_plan(cluster, there, ALL, back=True)
    assert plan.back
    assert [turn.name for turn in plan.turns] == ["one", "two"]
    assert not make_plan(cluster, there, ["two"]).back


@pytest.mark.parametrize(
    ("at_a_time", "away", "wanted"),
    [("1", 0, 1), ("3", 0, 3), ("3", 1, 2), ("3", 5, 1), ("50%", 0, 4), ("50%", 1, 3), ("1%", 0, 1)],
)
def test_agents_that_take_no_pods_count_among_those_that_are_away(
    at_a_time: str, away: int, wanted: int
) -> None:
    turns = (turn("one", server=True), *(turn(f"agent-{number}") for number in range(8)))
    unavailable = tuple(f"away-{number}" for number in range(away))
    assert batch(Plan(turns=turns, reopen=(), absent=(), unavailable=unavailable), at_a_time) == wanted


def test_an_agent_is_away_that_is_not_ready_or_closed_and_not_about_to_be_upgraded(cluster: Cluster) -> None:
    there = [node("one"), node("two", NEW, ready=False), node("three", ready=False)]
    assert make_plan(cluster, there, ALL).unavailable == ("two",)
    assert make_plan(cluster, there, ["one", "two"]).unavailable == ("two", "three")
    there = [node("one"), node("two", NEW, closed="leaving"), node("three", NEW)]
    assert make_plan(cluster, there, ALL).unavailable == ("two",)


def test_agents_that_are_away_already_come_first_so_that_no_more_than_a_batch_are(cluster: Cluster) -> None:
    there = [node("one", ready=False), node("two"), node("three", ready=False)]
    assert [turn.name for turn in make_plan(cluster, there, ALL).turns] == ["one", "three", "two"]


@pytest.mark.parametrize(
    "labels", [{"node-role.kubernetes.io/control-plane": "true"}, {"data-miner/role": "server"}]
)
def test_a_server_that_is_to_leave_leaves_before_others_are_upgraded(
    cluster: Cluster, labels: dict[str, str]
) -> None:
    leaving = node("four")
    leaving["metadata"]["labels"] = labels
    with pytest.raises(KubeError, match=r"Nothing was done\. four serves the API and is not in"):
        make_plan(cluster, [node("one"), leaving], ALL)


def test_pods_that_would_lose_something_are_asked_about_where_their_node_is_drained() -> None:
    theirs, elsewhere, stays = pod("db"), pod("far", node="box3"), pod("agent", owner="DaemonSet")
    for one in (theirs, elsewhere, stays):
        one["metadata"]["namespace"] = "theirs"
        one["spec"]["volumes"] = [{"emptyDir": {}}]
    api = Everywhere(theirs, elsewhere, stays)
    with pytest.raises(KubeError, match=r"theirs/db: it has data in an emptyDir\. .*-e upgrade_force=true"):
        refuse_drains(api, {"box2"}, ["data-miner"], force=False, planned=True)
    with pytest.raises(KubeError, match=r"theirs/db: .*; theirs/far: "):
        refuse_drains(api, {"box2", "box3"}, ["data-miner"], force=False, planned=True)
    refuse_drains(api, {"box4"}, ["data-miner"], force=False, planned=True)
    refuse_drains(api, {"box2"}, ["data-miner"], force=True, planned=True)


@pytest.mark.parametrize(
    ("wants", "there", "selector", "refused"),
    [
        (1, 1, {"matchLabels": {"app": "db"}}, True),
        (2, 3, {"matchLabels": {"app": "db"}}, False),
        (0, 0, {"matchLabels": {"app": "db"}}, False),
        (1, 1, {"matchLabels": {"app": "other"}}, False),
        (1, 1, {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, False),
    ],
)
def test_a_budget_that_never_lets_a_pod_go_is_told_before_anything_is_closed(
    wants: int, there: int, selector: dict[str, Any], *, refused: bool
) -> None:
    kept = pod("db")
    kept["metadata"]["labels"] = {"app": "db"}
    kept["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    status = {"desiredHealthy": wants, "expectedPods": there}
    budget = obj("PodDisruptionBudget", "all", spec={"selector": selector}, status=status)
    budget["apiVersion"] = "policy/v1"
    api = Everywhere(kept, budget)
    found = ""
    try:
        refuse_drains(api, {"box2"}, ["data-miner"], force=False, planned=True)
    except KubeError as error:
        found = str(error)
    refuse_drains(api, {"box2"}, ["data-miner"], force=True, planned=True)
    # At a node's turn the drain waits for it, as it may be short for a moment.
    refuse_drains(api, {"box2"}, ["data-miner"], force=False, planned=False)
    assert ("db: the budget all wants 1 healthy pods, and there are 1. Have more of them" in found) == refused


def test_a_node_runs_a_version_once_it_says_so_is_ready_and_nothing_else_is_wrong() -> None:
    answers: list[Object | KubeError] = [
        KubeError("The API does not answer; look at it"),
        node("one", OLD),
        node("one", NEW, ready=False),
        node("one", NEW),
        node("one", NEW),
    ]
    seen = iter(answers)
    problems = iter(["one: its API is not ready", ""])

    def read() -> Object:
        found = next(seen)
        if isinstance(found, KubeError):
            raise found
        return found

    wait_until_it_runs(read, NEW, waiting(), timeout_s=60, problem=lambda: next(problems))
    assert next(seen, None) is None
    assert next(problems, None) is None


def test_a_node_that_does_not_come_back_is_told_with_what_it_lacks() -> None:
    with pytest.raises(KubeError, match=r"one still says that it runs v1\.31\.0\+k3s1; not within 5 s"):
        wait_until_it_runs(lambda: node("one"), NEW, waiting(), timeout_s=5, problem=str)


def test_only_what_an_upgrade_closed_is_opened() -> None:
    api = FakeApi(node("one", closed="upgrade"), node("two", closed="leaving"), node("three"))
    assert [open_again(api, name) for name in ALL] == [True, False, False]
    assert api.objects["/api/v1/nodes/two"]["spec"]["unschedulable"] is True


def workload(kind: str, name: str, *, ready: int, wanted: int = 1) -> Object:
    counts: dict[str, Any] = {"updatedReplicas": wanted, "replicas": wanted, "availableReplicas": ready}
    if kind == "DaemonSet":
        counts = {
            "desiredNumberScheduled": wanted,
            "updatedNumberScheduled": wanted,
            "numberAvailable": ready,
        }
    spec = {"replicas": wanted, "selector": {"matchLabels": {"app": name}}}
    return obj(kind, name, spec=spec, status=counts | {"observedGeneration": 1})


def of(name: str, workload: str) -> Object:
    made = pod(name)
    made["metadata"]["labels"] = {"app": workload}
    return made


class Everywhere(PodApi):
    """Lists objects of all namespaces too."""

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        kinds = {plural: kind for kind, (_, plural) in NAMESPACED.items()}
        kind = kinds.get(path.rpartition("/")[2])
        if method == "GET" and kind and "/namespaces/" not in path and "fieldSelector" not in query:
            return json.dumps(
                {"items": [one for one in self.objects.values() if one["kind"] == kind]}
            ).encode()
        return super().raw(method, path, body, content=content, **query)


def test_what_was_complete_before_is_waited_for_and_nothing_else() -> None:
    api = Everywhere(
        workload("Deployment", "fine", ready=1),
        workload("Deployment", "ill", ready=0),
        workload("StatefulSet", "elsewhere", ready=1),
        workload("DaemonSet", "mount", ready=3, wanted=3),
        of("fine-1", "fine"),
        of("ill-1", "ill"),
        of("mount-1", "mount"),
    )
    found = well(api, "box2")
    assert [(one["kind"], one["metadata"]["name"]) for one in found] == [
        ("Deployment", "fine"),
        ("DaemonSet", "mount"),
    ]
    wait_until_all_is_back(api, found, waiting(), timeout_s=5)
    path = "/apis/apps/v1/namespaces/data-miner/deployments/fine"
    api.objects[path]["status"]["availableReplicas"] = 0
    with pytest.raises(KubeError, match=r"after 5 s Deployment data-miner/fine: 0 of 1 pods ready"):
        wait_until_all_is_back(api, found, waiting(), timeout_s=5)
    del api.objects[path]
    wait_until_all_is_back(api, found, waiting(), timeout_s=5)


def test_a_node_is_opened_once_the_api_answers_again() -> None:
    api = FakeApi(node("one", closed="upgrade"))
    answers: list[FakeApi | KubeError] = [KubeError("The API does not answer"), api]
    seen = iter(answers)

    def connect() -> FakeApi:
        found = next(seen)
        if isinstance(found, KubeError):
            raise found
        return found

    assert open_once_it_answers(connect, "one", waiting(), timeout_s=60)
    assert not api.objects["/api/v1/nodes/one"]["spec"].get("unschedulable")


def test_a_node_stays_closed_where_the_api_does_not_answer_in_time() -> None:
    def connect() -> FakeApi:
        raise KubeError("The API does not answer")

    with pytest.raises(KubeError, match="does not answer"):
        open_once_it_answers(connect, "one", waiting(), timeout_s=5)
