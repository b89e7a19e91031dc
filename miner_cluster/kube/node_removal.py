"""Nodes of ours that the configuration does not name any more: drained, and deleted from the API."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.node_labels import ANNOTATION, MERGE_PATCH
from miner_cluster.kube.rollout import ready
from miner_cluster.kube.waiting import Wait

POLL_S = 2.0


def gone(api: Api, wanted: Collection[str]) -> list[Object]:
    """Return our nodes that are not wanted, those that serve the API included."""
    return [
        node
        for node in api.list("v1", "Node")
        if node["metadata"]["name"] not in wanted
        and ANNOTATION in (node["metadata"].get("annotations") or {})
    ]


def refuse(api: Api, nodes: Sequence[Object], storage: str) -> None:
    """Check that nodes can go.

    Args:
        api: the cluster.
        nodes: that shall go.
        storage: the namespace of the shared storage.

    Raises:
        KubeError: the volume server of one is still there.
    """
    for node in nodes:
        name = node["metadata"]["name"]
        if _exists(api, api.resource("apps/v1", "StatefulSet").path(storage, f"volume-{name}")):
            raise KubeError(
                f"{name} is not in cluster_config.yaml any more and still has its volume server; run: "
                "ansible-playbook site.yml --tags seaweedfs, which moves its files to other nodes"
            )


def drain(api: Api, node: Object, waiting: Wait, *, timeout_s: float) -> None:
    """Drain a node as `kubectl drain` does; one that does not answer can't be, and its pods go with it.

    Raises:
        KubeError: pods do not go in time.
    """
    name = node["metadata"]["name"]
    path = api.resource("v1", "Node").path(name=name)
    api.call("PATCH", path, {"spec": {"unschedulable": True}}, content=MERGE_PATCH)
    while ready(node) and (pods := _pods(api, name)):
        for pod in pods:
            _evict(api, pod)
        if waiting.waited_s > timeout_s:
            names = ", ".join(_title(pod) for pod in pods)
            raise KubeError(
                f"{name} can't be drained: {names} did not go in {timeout_s:.0f} s; run this again"
            )
        waiting.again(_not_gone, name, pods, poll_s=POLL_S)


def delete(api: Api, node: Object) -> None:
    """Take a node out of the API."""
    api.call("DELETE", api.resource("v1", "Node").path(name=node["metadata"]["name"]))


def address(node: Object) -> str:
    """Return the address by which the node is reached, nothing where it has none."""
    found = node.get("status", {}).get("addresses", [])
    return next((one["address"] for one in found if one["type"] == "InternalIP"), "")


def _pods(api: Api, name: str) -> list[Object]:
    """Return the pods that must go; those of DaemonSets stay where they are."""
    return [
        pod
        for pod in api.list("v1", "Pod", fieldSelector=f"spec.nodeName={name}")
        if pod["status"].get("phase") not in {"Succeeded", "Failed"}
        and all(
            owner["kind"] not in {"DaemonSet", "Node"} for owner in pod["metadata"].get("ownerReferences", [])
        )
    ]


def _evict(api: Api, pod: Object) -> None:
    """Ask for a pod to go; a budget may ask to wait, and then the next round asks again."""
    meta = pod["metadata"]
    if meta.get("deletionTimestamp"):
        return
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
    }
    path = api.resource("v1", "Pod").path(meta["namespace"], meta["name"])
    try:
        api.call("POST", f"{path}/eviction", body)
    except ApiError as error:
        if error.status not in {NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS}:
            raise


def _exists(api: Api, path: str) -> bool:
    try:
        api.call("GET", path)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return False
    return True


def _title(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _not_gone(name: str, pods: Sequence[Object]) -> str:
    return f"{name} still runs {', '.join(map(_title, pods))}"
