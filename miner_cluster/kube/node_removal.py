"""Nodes of ours that the configuration does not name any more: drained, and deleted from the API."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.draining import POLL_S, close, empty
from miner_cluster.kube.node_labels import ANNOTATION
from miner_cluster.kube.rollout import ready
from miner_cluster.kube.waiting import Wait

#: why nodes are closed
LEAVING = "leaving"


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


def drain(api: Api, node: Object, waiting: Wait, *, timeout_s: float, answers: bool) -> None:
    """Drain a node as `kubectl drain` does; one that does not answer can't be, and its pods go with it.

    Raises:
        KubeError: pods do not go in time.
    """
    close(api, node, LEAVING)
    if answers:
        empty(api, node["metadata"]["name"], waiting, timeout_s=timeout_s)


def delete(api: Api, node: Object) -> None:
    """Take a node out of the API."""
    api.call("DELETE", api.resource("v1", "Node").path(name=node["metadata"]["name"]))


def replaced(api: Api, names: Collection[str], waiting: Wait, *, wait_s: float) -> list[Object]:
    """Return the nodes of machines on which nothing of ours runs any more, once the API has noticed.

    Args:
        api: the cluster.
        names: of machines without k3s.
        waiting: the wait.
        wait_s: for the API to notice.

    Raises:
        KubeError: one is still Ready, so a machine with k3s has that name.
    """
    while True:
        found = [node for node in api.list("v1", "Node") if node["metadata"]["name"] in names]
        alive = [node["metadata"]["name"] for node in found if ready(node)]
        if not alive:
            return found
        if waiting.waited_s >= wait_s:
            raise KubeError(
                f"{', '.join(alive)} is Ready, and the machine at its address in cluster_config.yaml has no "
                "k3s, so another machine has that name in the cluster; stop k3s there, or correct the address"
            )
        waiting.again(_still_ready, alive, poll_s=POLL_S)


def address(node: Object) -> str:
    """Return the address by which the node is reached, nothing where it has none."""
    found = node.get("status", {}).get("addresses", [])
    return next((one["address"] for one in found if one["type"] == "InternalIP"), "")


def _exists(api: Api, path: str) -> bool:
    try:
        api.call("GET", path)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return False
    return True


def _still_ready(names: Sequence[str]) -> str:
    return f"the API has not noticed yet that the machine of {', '.join(names)} is gone"
