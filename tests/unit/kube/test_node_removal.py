"""Nodes that left the configuration: drained with care for budgets, then deleted; servers stay."""

from __future__ import annotations

import json

import pytest

from miner_cluster.cluster import ROLE_LABEL
from miner_cluster.kube.api import ApiError, KubeError, Object
from miner_cluster.kube.node_labels import ANNOTATION
from miner_cluster.kube.node_removal import address, delete, drain, gone, refuse, replaced
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi


def node(name: str, *, role: str = "agent", ready: bool = True, ours: bool = True) -> Object:
    made = obj("Node", name, None, status={"conditions": [{"type": "Ready", "status": str(ready)}]})
    made["status"]["addresses"] = [{"type": "InternalIP", "address": "192.0.2.7"}]
    made["metadata"]["labels"] = {ROLE_LABEL: role}
    made["metadata"]["annotations"] = {ANNOTATION: "[]"} if ours else {}
    return made


def pod(name: str, *, owner: str = "ReplicaSet", phase: str = "Running") -> Object:
    made = obj("Pod", name, spec={"nodeName": "box2"}, status={"phase": phase})
    made["metadata"]["ownerReferences"] = [{"kind": owner, "name": "x"}]
    return made


class Cluster(FakeApi):
    """An API that knows nodes and evicts pods, as often as budgets let it."""

    refused = 0

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        if method == "POST" and path.endswith("/eviction"):
            if self.refused:
                self.refused -= 1
                raise ApiError(429, "TooManyRequests", "the budget does not allow it")
            del self.objects[path.removesuffix("/eviction")]
            return b"{}"
        kinds = {"/api/v1/nodes": "Node", "/api/v1/pods": "Pod"}
        if method == "GET" and path in kinds:
            found = [one for one in self.objects.values() if one["kind"] == kinds[path]]
            return json.dumps({"items": found}).encode()
        if method == "PATCH":
            assert isinstance(body, dict)
            self.objects[path].setdefault("spec", {}).update(body["spec"])
            return b"{}"
        return super().raw(method, path, body, content=content, **query)


def waiting() -> Wait:
    now = iter(range(1000))
    return Wait(clock=lambda: float(next(now)), sleep=lambda _: None)


def names(api: Cluster, kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in api.objects.values() if one["kind"] == kind}


def test_only_our_nodes_that_are_not_named_any_more_go() -> None:
    api = Cluster(node("box1"), node("box2"), node("theirs", ours=False))
    (found,) = gone(api, {"box1"})
    assert found["metadata"]["name"] == "box2"
    assert address(found) == "192.0.2.7"


def test_a_drained_node_keeps_only_what_belongs_to_it() -> None:
    there = [pod("worker"), pod("mount", owner="DaemonSet"), pod("done", phase="Succeeded")]
    api = Cluster(node("box2"), *there)
    drain(api, node("box2"), waiting(), timeout_s=30, answers=True)
    assert names(api, "Pod") == {"mount", "done"}
    assert api.objects["/api/v1/nodes/box2"]["spec"]["unschedulable"] is True
    delete(api, node("box2"))
    assert names(api, "Node") == set()


def test_a_budget_is_asked_again() -> None:
    api = Cluster(node("box2"), pod("worker"))
    api.refused = 3
    drain(api, node("box2"), waiting(), timeout_s=30, answers=True)
    assert names(api, "Pod") == set()


def test_a_pod_that_does_not_go_is_named_and_the_node_stays() -> None:
    api = Cluster(node("box2"), pod("worker"))
    api.refused = 1000
    with pytest.raises(
        KubeError,
        match=r"box2 can't be drained: data-miner/worker \(the budget does not allow it\) did not go in 5 s",
    ):
        drain(api, node("box2"), waiting(), timeout_s=5, answers=True)
    assert names(api, "Node") == {"box2"}


def test_a_node_that_does_not_answer_is_not_waited_for() -> None:
    api = Cluster(node("box2", ready=False), pod("worker"))
    drain(api, node("box2", ready=False), waiting(), timeout_s=5, answers=False)
    assert names(api, "Pod") == {"worker"}


def test_nodes_with_files_stay() -> None:
    leaving = node("box2")
    with pytest.raises(KubeError, match=r"still has its volume server.*--tags seaweedfs"):
        refuse(Cluster(leaving, obj("StatefulSet", "volume-box2")), [leaving], "data-miner")


def test_the_node_of_a_machine_that_was_replaced_goes_once_the_api_has_noticed() -> None:
    api = Cluster(node("box1"), node("box2"))
    looks = 0

    def notice(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks > 3:
            api.objects["/api/v1/nodes/box2"] = node("box2", ready=False)

    slow = Wait(clock=lambda: float(looks), sleep=notice)
    (found,) = replaced(api, ["box2", "new"], slow, wait_s=90)
    assert found["metadata"]["name"] == "box2"
    assert looks == 4


def test_a_node_that_another_machine_keeps_ready_stays() -> None:
    api = Cluster(node("box1"), node("box2"))
    with pytest.raises(KubeError, match=r"box2 is Ready, and the machine at its address .* has no k3s"):
        replaced(api, ["box2"], waiting(), wait_s=5)


def test_machines_that_never_joined_leave_nothing_to_forget() -> None:
    assert replaced(Cluster(node("box1")), ["box2"], waiting(), wait_s=5) == []
