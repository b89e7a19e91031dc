"""A node that is closed and emptied: who goes when, what budgets may ask for, and who may open it again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from miner_cluster.kube.api import ApiError, KubeError, Object, _refusal
from miner_cluster.kube.draining import CLOSED_FOR, close, closed_for, empty, lossy, movable, reopen
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi

UNPLACED = [{"type": "PodScheduled", "status": "False"}]


def pod(name: str, *, owner: str = "ReplicaSet", uid: str = "1", node: str = "box2", **more: Any) -> Object:
    made = obj("Pod", name, spec={"nodeName": node}, status={"phase": "Running"}, **more)
    made["metadata"]["ownerReferences"] = [{"kind": owner, "name": "x", "uid": uid}]
    return made


def waiting() -> Wait:
    now = iter(range(1000))
    return Wait(clock=lambda: float(next(now)), sleep=lambda _: None)


class Cluster(FakeApi):
    """An API that evicts pods unless a budget refuses, and notes in which order they went."""

    def __init__(self, *objects: Object, refuses: frozenset[str] = frozenset()) -> None:
        super().__init__(*objects)
        self.refuses = refuses
        self.went: list[str] = []

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        name = path.removesuffix("/eviction").rpartition("/")[2]
        if method == "POST" and path.endswith("/eviction"):
            if name in self.refuses:
                raise ApiError(429, "TooManyRequests", "the budget does not allow it")
            method, path = "DELETE", path.removesuffix("/eviction")
        if method == "DELETE":
            self.went.append(name)
        if method == "GET" and path.endswith("/pods") and "fieldSelector" in query:
            node = query["fieldSelector"].removeprefix("spec.nodeName=")
            there = [
                one
                for one in self.objects.values()
                if one["kind"] == "Pod" and one["spec"].get("nodeName") == node
            ]
            return json.dumps({"items": there}).encode()
        return super().raw(method, path, body, content=content, **query)


def test_workers_go_before_the_services_that_they_call() -> None:
    api = Cluster(pod("postgres", phase="infrastructure"), pod("worker", phase="workers"))
    empty(api, "box2", waiting(), timeout_s=30)
    assert api.went == ["worker", "postgres"]


def test_pods_of_other_nodes_and_of_daemon_sets_stay() -> None:
    api = Cluster(pod("worker"), pod("mount", owner="DaemonSet"), pod("elsewhere", node="box3"))
    empty(api, "box2", waiting(), timeout_s=30)
    assert api.went == ["worker"]


@pytest.mark.parametrize(
    ("toleration", "goes"),
    [
        ({"operator": "Exists"}, False),
        ({"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "node.kubernetes.io/unschedulable"}, False),
        ({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, True),
        ({"key": "node.kubernetes.io/unschedulable", "value": "x"}, True),
    ],
)
def test_pods_that_would_be_back_at_once_stay(toleration: dict[str, str], goes: bool) -> None:
    storage = pod("storage")
    storage["spec"]["tolerations"] = [toleration]
    assert bool(movable([storage])) is goes


def budget(*, mine: bool = True) -> Object:
    made = obj("PodDisruptionBudget", "b", spec={"selector": {"matchLabels": {"app": "extract"}}})
    made["apiVersion"] = "policy/v1"
    if not mine:
        made["metadata"]["labels"] = {}
    return made


def extracts(*, uid: str = "1") -> list[Object]:
    there, waits = pod("there"), pod("waits", node="", uid=uid)
    waits["spec"], waits["status"] = {}, {"phase": "Pending", "conditions": UNPLACED}
    for one in (there, waits):
        one["metadata"]["labels"]["app"] = "extract"
    return [there, waits]


def box(name: str, *, closed: bool = False, ready: bool = True, **labels: str) -> Object:
    made = obj("Node", name, None, status={"conditions": [{"type": "Ready", "status": str(ready)}]})
    made["spec"] = {"unschedulable": True} if closed else {}
    made["metadata"]["labels"] = labels
    return made


def test_a_budget_of_ours_gives_way_where_its_other_pod_waits_for_this_node() -> None:
    there, waits = extracts()
    waits["spec"] = {"nodeSelector": {"videos": "yes"}}
    nodes = [box("box2", closed=True, videos="yes"), box("box3")]
    api = Cluster(budget(), there, waits, *nodes, refuses=frozenset({"there"}))
    empty(api, "box2", waiting(), timeout_s=30)
    assert api.went == ["there"]


@pytest.mark.parametrize(
    "objects",
    [
        [budget(mine=False), *extracts()],
        [budget(), *extracts(uid="2")],
        [budget(), extracts()[0]],
        [budget(), *extracts(), box("box3")],
    ],
    ids=["somebody else's budget", "another workload waits", "nobody waits", "it waits for memory anywhere"],
)
def test_other_budgets_are_kept_and_said(objects: list[Object]) -> None:
    api = Cluster(*objects, box("box2", closed=True), refuses=frozenset({"there"}))
    message = r"box2 can't be drained: data-miner/there \(the budget does not allow it\) did not go in 5 s"
    with pytest.raises(KubeError, match=message):
        empty(api, "box2", waiting(), timeout_s=5)
    assert api.went == []


def test_a_node_is_opened_again_by_who_closed_it() -> None:
    api = Cluster(obj("Node", "box2", None), obj("Node", "theirs", None, spec={"unschedulable": True}))
    ours, theirs = "/api/v1/nodes/box2", "/api/v1/nodes/theirs"
    for path in (ours, theirs):
        close(api, api.objects[path], "upgrade")
    assert api.objects[ours]["spec"]["unschedulable"] is True
    assert closed_for(api.objects[ours]) == "upgrade"
    assert closed_for(api.objects[theirs]) is None
    assert reopen(api, api.objects[ours])
    assert "unschedulable" not in api.objects[ours]["spec"]
    assert CLOSED_FOR not in api.objects[ours]["metadata"]["annotations"]
    assert not reopen(api, api.objects[theirs])
    assert api.objects[theirs]["spec"]["unschedulable"] is True


def test_pods_of_others_that_would_lose_something_are_named() -> None:
    alone, scratch, fine, mine = pod("alone"), pod("scratch"), pod("fine"), pod("mine")
    for one in (alone, scratch, fine):
        one["metadata"]["namespace"] = "theirs"
    del alone["metadata"]["ownerReferences"]
    for one in (scratch, mine):
        one["spec"]["volumes"] = [{"name": "x", "emptyDir": {}}]
    assert lossy([alone, scratch, fine, mine], ["data-miner"]) == {
        "theirs/alone": "nothing makes it anew elsewhere",
        "theirs/scratch": "it has data in an emptyDir",
    }
    # k3s' own pods are made anew, and what somebody started beside them is not.
    for one in (alone, scratch):
        one["metadata"]["namespace"] = "kube-system"
    assert [*lossy([alone, scratch], ["data-miner"])] == ["kube-system/alone"]


def test_a_refused_eviction_names_the_budget() -> None:
    causes = [{"reason": "DisruptionBudget", "message": "The disruption budget extract needs 1 healthy pods"}]
    body = {"message": "Cannot evict pod.", "reason": "TooManyRequests", "details": {"causes": causes}}
    error = _refusal(429, json.dumps(body).encode())
    assert str(error) == "Cannot evict pod. The disruption budget extract needs 1 healthy pods"
