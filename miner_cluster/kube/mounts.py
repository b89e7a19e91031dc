"""Replace the mounts of the shared storage node by node, with the workers of each node away meanwhile.

Kubernetes would end a mount under its workers, so their DaemonSet is updated by deleting its pods (OnDelete).
Here a node is cordoned, its workers end or give back what they work on, the mount is replaced, and the node
is opened again. A node that an interrupted run left cordoned carries a note, by which the next run knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.rollout import explain, pods_of, ready
from miner_cluster.kube.waiting import Wait

REVISION_LABEL = "controller-revision-hash"
NOTE = "data-miner/cordoned-for-mount"
WORKERS = "app.kubernetes.io/part-of=data-miner,app.kubernetes.io/component=worker"
#: seconds for a controller to see a change
SEEN_S = 60.0
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done."""

    #: nodes whose mount is another than the one that was applied
    outdated: list[str]
    #: nodes that an earlier run has cordoned
    cordoned: list[str]
    #: nodes with such a mount that can't be reached now
    away: list[str]

    @property
    def nodes(self) -> list[str]:
        """Return every node that something is done on."""
        return sorted({*self.outdated, *self.cordoned})


def plan(nodes: Iterable[Object], mounts: Iterable[Object], revision: str) -> Plan:
    """Return what is to be done.

    Args:
        nodes: of the cluster.
        mounts: the DaemonSet's pods.
        revision: the DaemonSet's newest.
    """
    named = {node["metadata"]["name"]: node for node in nodes}
    old = {
        pod["spec"].get("nodeName", "")
        for pod in mounts
        if (pod["metadata"].get("labels") or {}).get(REVISION_LABEL) != revision
    } & set(named)
    answering = {name for name, node in named.items() if ready(node)}
    noted = {name for name, node in named.items() if NOTE in (node["metadata"].get("annotations") or {})}
    return Plan(
        outdated=sorted(old & answering), cordoned=sorted(noted & answering), away=sorted(old - answering)
    )


def look(api: Api, namespace: str, name: str, *, waiting: Wait) -> tuple[Object, Plan]:
    """Return the DaemonSet and what is to be done about its pods.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"
    daemon_set = api.call("GET", path)
    while not _seen(daemon_set):
        if waiting.waited_s > SEEN_S:
            raise KubeError(f"Nobody looks after DaemonSet {namespace}/{name}; does k3s run on its server?")
        waiting.again(str, "waiting for the mounts' controller")
        daemon_set = api.call("GET", path)
    revision = newest(api.list("apps/v1", "ControllerRevision", namespace), daemon_set)
    return daemon_set, plan(api.list("v1", "Node"), pods_of(api, daemon_set), revision)


def _seen(daemon_set: Object) -> bool:
    """Whether its controller knows its newest version, so that there is a revision of it."""
    observed = daemon_set.get("status", {}).get("observedGeneration", 0)
    return bool(observed >= daemon_set["metadata"].get("generation", 0))


def newest(revisions: Iterable[Object], daemon_set: Object) -> str:
    """Return the newest revision of a DaemonSet, as its pods carry it."""
    uid = daemon_set["metadata"]["uid"]
    own = [
        revision
        for revision in revisions
        if any(owner["uid"] == uid for owner in revision["metadata"].get("ownerReferences", []))
    ]
    if not own:
        return ""
    return str(max(own, key=lambda revision: revision["revision"])["metadata"]["labels"][REVISION_LABEL])


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One node's turn."""

    api: Api
    daemon_set: Object
    node: str
    #: seconds for the workers to end, and again for the new mount to work
    wait_s: float
    waiting: Wait

    def clear(self, namespaces: Iterable[str]) -> None:
        """Close the node, and wait until the workers on it have ended.

        Raises:
            KubeError: they don't, in time; the node stays closed, and the next run goes on with it.
        """
        _cordon(self.api, self.node)
        workers = [
            pod
            for namespace in namespaces
            for pod in self.api.list("v1", "Pod", namespace, labelSelector=WORKERS, **self._here)
        ]
        _delete(self.api, workers)
        self._until(lambda: not any(_there(self.api, pod) for pod in workers), "the workers to end")

    def replace(self) -> None:
        """Delete the node's mount; its DaemonSet makes another one.

        Raises:
            KubeError: the API refuses or does not answer.
        """
        old = self._mounts()
        _delete(self.api, old)
        self._until(lambda: not any(_there(self.api, pod) for pod in old), "the old mount to end")

    def reopen(self) -> None:
        """Open the node when its mount works.

        Raises:
            KubeError: it does not, in time; the node stays closed.
        """

        def works() -> bool:
            return any(ready(pod) for pod in self._mounts())

        try:
            self._until(works, "the mount")
        except KubeError as error:
            why = explain(self.api, self.daemon_set)
            raise KubeError(f"{error}; it stays cordoned until the mount works\n{why}") from error
        _uncordon(self.api, self.node)

    @property
    def _here(self) -> dict[str, str]:
        """Return what asks for the node's own pods only: in each turn all pods are too many to read."""
        return {"fieldSelector": f"spec.nodeName={self.node}"}

    def _mounts(self) -> list[Object]:
        return pods_of(self.api, self.daemon_set, **self._here)

    def _until(self, so: Callable[[], bool], what: str) -> None:
        began = self.waiting.waited_s
        while not so():
            if self.waiting.waited_s - began > self.wait_s:
                raise KubeError(f"{self.node}: waited {self.wait_s:.0f} s in vain for {what}")
            self.waiting.again(str, f"{self.node}: waiting for {what}")


def _cordon(api: Api, node: str) -> None:
    """Keep new pods away, with a note, unless somebody else does so already."""
    present = api.call("GET", f"/api/v1/nodes/{node}")
    if not present["spec"].get("unschedulable"):
        _patch(api, node, "true", unschedulable=True)


def _uncordon(api: Api, node: str) -> None:
    """Open the node again where it was us who closed it."""
    present = api.call("GET", f"/api/v1/nodes/{node}")
    if NOTE in (present["metadata"].get("annotations") or {}):
        _patch(api, node, None, unschedulable=False)


def _patch(api: Api, node: str, note: str | None, *, unschedulable: bool) -> None:
    body = {"metadata": {"annotations": {NOTE: note}}, "spec": {"unschedulable": unschedulable or None}}
    api.call("PATCH", f"/api/v1/nodes/{node}", body, content=_MERGE)


def _pod_path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _there(api: Api, pod: Object) -> bool:
    """Whether this very pod still exists; one of a StatefulSet comes back under its name."""
    try:
        present = api.call("GET", _pod_path(pod))
    except ApiError as error:
        if error.status == NOT_FOUND:
            return False
        raise
    return bool(present["metadata"]["uid"] == pod["metadata"]["uid"])


def _delete(api: Api, pods: Iterable[Object]) -> None:
    for pod in pods:
        try:
            api.call("DELETE", _pod_path(pod), {"preconditions": {"uid": pod["metadata"]["uid"]}})
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
