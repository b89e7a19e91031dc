"""Filters: labels and container runtime of the nodes, with what was found on the machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster.cluster import GPU_LABEL
from miner_cluster.gpus import found as found_on


def node_labels(nodes: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """Return the labels of each node; the GPU's is None, to stay as it is, where nobody has looked."""
    if not isinstance(nodes, Mapping):
        raise AnsibleFilterError(f"node_labels takes cluster.nodes, not {type(nodes).__name__}")
    return {name: _labels(node, found.get(name)) for name, node in nodes.items()}


def _labels(node: Mapping[str, Any], variables: Mapping[str, Any] | None) -> dict[str, str | None]:
    labels: dict[str, str | None] = dict(node["labels"])
    if node["gpu"] is None:
        looked = found_on((variables or {}).get("_preflight_look"))
        if looked is None:
            labels[GPU_LABEL] = None
        elif looked["gpus"]:
            labels[GPU_LABEL] = "true"
    return labels


def gpu_runtime(node: Mapping[str, Any], look: Mapping[str, Any]) -> str:
    """Return the runtime by which a node's pods share its GPU; empty where it has none that can be used.

    Args:
        node: of cluster.nodes.
        look: what preflight found on the machine; nothing where nobody has looked.
    """
    looked = found_on(look)
    if looked is None or looked["missing"]:
        return ""
    has_gpu = bool(looked["gpus"]) if node["gpu"] is None else node["gpu"]
    return "nvidia" if has_gpu else ""


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"node_labels": node_labels, "gpu_runtime": gpu_runtime}
