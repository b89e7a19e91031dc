"""Mounts are replaced node by node, with each node's workers away meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.api import KubeError, Object
from miner_cluster.kube.mounts import NOTE, REVISION_LABEL, Turn, look, newest, plan
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi

READY = [{"type": "Ready", "status": "True"}]


def node(name: str, *, up: bool = True, annotations: dict[str, Any] | None = None) -> Object:
    made = obj("Node", name, None, spec={}, status={"conditions": READY if up else []})
    made["metadata"]["annotations"] = annotations or {}
    return made


def mount(where: str, revision: str, *, up: bool = True) -> Object:
    pod = obj("Pod", f"mount-{where}", "seaweedfs", spec={"nodeName": where})
    pod["metadata"]["labels"] = {REVISION_LABEL: revision, "app": "mount"}
    pod["status"] = {"phase": "Running", "conditions": READY if up else []}
    return pod


def worker(where: str) -> Object:
    return obj("Pod", f"download-{where}", spec={"nodeName": where}, status={"phase": "Running"})


def daemon_set(*, observed: int = 2) -> Object:
    made = obj("DaemonSet", "mount", "seaweedfs", spec={"selector": {"matchLabels": {"app": "mount"}}})
    made["metadata"] |= {"uid": "ds", "generation": 2}
    made["status"] = {"observedGeneration": observed}
    return made


def revision(number: int, name: str, owner: str = "ds") -> Object:
    made = obj("ControllerRevision", f"mount-{name}", "seaweedfs", revision=number)
    made["apiVersion"] = "apps/v1"
    made["metadata"] |= {"labels": {REVISION_LABEL: name}, "ownerReferences": [{"uid": owner}]}
    return made


def wait() -> Wait:
    now = iter(range(10_000))
    return Wait(clock=lambda: float(next(now)), sleep=lambda _: None)


def test_only_mounts_of_earlier_revisions_are_replaced_and_only_where_the_node_answers() -> None:
    nodes = [node("a"), node("b"), node("c", up=False), node("d", annotations={NOTE: "true"})]
    mounts = [mount("a", "old"), mount("b", "new"), mount("c", "old"), mount("d", "new"), mount("", "old")]
    found = plan(nodes, mounts, "new")
    assert (found.outdated, found.cordoned, found.away) == (["a"], ["d"], ["c"])
    assert found.nodes == ["a", "d"]


def test_the_newest_revision_of_the_daemonset_counts_and_no_others() -> None:
    revisions = [revision(3, "new"), revision(1, "old"), revision(9, "foreign", owner="other")]
    assert newest(revisions, daemon_set()) == "new"
    assert newest([], daemon_set()) == ""


def test_a_change_that_its_controller_has_not_seen_is_waited_for() -> None:
    api = FakeApi(daemon_set(observed=1), revision(1, "old"))
    with pytest.raises(KubeError, match="Nobody looks after DaemonSet seaweedfs/mount"):
        look(api, "seaweedfs", "mount", waiting=wait())


class Cluster(FakeApi):
    """Makes a new mount as soon as one is deleted, and notes in which order things happen."""

    def __init__(self, *objects: Object, works: bool = True) -> None:
        super().__init__(*objects)
        self.works = works
        self.events: list[str] = []

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        name = path.rpartition("/")[2]
        if method == "PATCH" and "/nodes/" in path:
            assert isinstance(body, dict)
            self.events.append(f"{'cordon' if body['spec']['unschedulable'] else 'uncordon'} {name}")
            self.objects[path]["spec"] = body["spec"]
            self.objects[path]["metadata"]["annotations"] = {
                key: value for key, value in body["metadata"]["annotations"].items() if value
            }
            return b"{}"
        if method == "DELETE":
            self.events.append(f"delete {name}")
        answer = super().raw(method, path, body, content=content, **query)
        if method == "DELETE" and name.startswith("mount-"):
            new = mount(name.removeprefix("mount-"), "new", up=self.works)
            new["metadata"]["uid"] = "another"
            self.objects[path] = new
        return answer


def turn(api: FakeApi, where: str, namespaces: tuple[str, ...] = ("data-miner",)) -> None:
    one = Turn(api=api, daemon_set=daemon_set(), node=where, wait_s=30, waiting=wait())
    one.clear(namespaces)
    one.replace()
    one.reopen()


def test_the_workers_end_before_the_mount_and_the_node_opens_when_the_new_one_works() -> None:
    api = Cluster(node("a"), node("b"), mount("a", "old"), mount("b", "old"), worker("a"), worker("b"))
    turn(api, "a")
    assert api.events == ["cordon a", "delete download-a", "delete mount-a", "uncordon a"]


def test_a_node_that_somebody_else_closed_stays_closed() -> None:
    closed = node("a")
    closed["spec"]["unschedulable"] = True
    api = Cluster(closed, mount("a", "old"))
    turn(api, "a")
    assert api.events == ["delete mount-a"]


def test_a_mount_that_does_not_work_leaves_its_node_closed_for_the_next_run() -> None:
    api = Cluster(node("a"), mount("a", "old"), works=False)
    with pytest.raises(KubeError, match="a: waited 30 s in vain for the mount; it stays cordoned"):
        turn(api, "a")
    assert api.events[-1] == "delete mount-a"
    assert NOTE in api.objects["/api/v1/nodes/a"]["metadata"]["annotations"]
    again = plan([api.objects["/api/v1/nodes/a"]], [mount("a", "new")], "new")
    assert again.nodes == ["a"]
