"""Workloads that wait for a machine which is away: nobody need wait for them.

The API calls a node NotReady that has not told of itself for 40 s. Its pods stay counted, and no controller
replaces those that belong there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from miner_cluster.kube.api import Api, Object

HOSTNAME = "kubernetes.io/hostname"


def held_up(workload: Object, pods: Iterable[Object], nodes: Mapping[str, bool]) -> bool:
    """Tell whether a workload lacks nothing but what machines that are away would run.

    Args:
        workload: not rolled out, and its controller has seen what was applied.
        pods: its own.
        nodes: of each node whether it is Ready.
    """
    spec = workload["spec"]
    pinned = spec.get("template", {}).get("spec", {}).get("nodeSelector", {}).get(HOSTNAME)
    if pinned is not None:
        return not nodes.get(pinned, False)
    away = sum(1 for pod in pods if nodes.get(pod["spec"].get("nodeName", "")) is False)
    if workload["kind"] == "StatefulSet":
        # Its pods are replaced one after the other, so all others wait behind one that can't be.
        return away > 0
    return 0 < _lacking(workload) <= away


def readiness(api: Api) -> dict[str, bool]:
    """Return of each node whether it is Ready."""
    return {node["metadata"]["name"]: _ready(node) for node in api.list("v1", "Node")}


def _ready(node: Object) -> bool:
    conditions = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def _lacking(workload: Object) -> int:
    """Return how many pods of what was applied are missing."""
    spec, status = workload["spec"], workload.get("status", {})
    if workload["kind"] == "DaemonSet":
        wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
        have = status.get("numberAvailable", 0)
        on_delete = spec.get("updateStrategy", {}).get("type") == "OnDelete"
        return int(wanted - (have if on_delete else min(have, updated)))
    return int(
        spec.get("replicas", 1) - min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    )
