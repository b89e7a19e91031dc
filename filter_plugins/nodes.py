"""Filters: labels and GPUs of the nodes, with what was found on the machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster import as_wanted, gpus
from miner_cluster.cluster import GPU_LABEL, as_cluster

_LOOK = "_preflight_look"


def node_labels(nodes: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """Return the labels of each node; the GPU's is None, to stay as it is, where nobody has looked."""
    if not isinstance(nodes, Mapping):
        raise AnsibleFilterError(f"node_labels takes cluster.nodes, not {type(nodes).__name__}")
    return {name: _labels(node, found.get(name)) for name, node in nodes.items()}


def _labels(node: Mapping[str, Any], variables: Mapping[str, Any] | None) -> dict[str, str | None]:
    labels: dict[str, str | None] = dict(node["labels"])
    if node["gpu"] is None:
        looked = gpus.found((variables or {}).get(_LOOK))
        if looked is None:
            labels[GPU_LABEL] = None
        elif looked["gpus"]:
            labels[GPU_LABEL] = "true"
    return labels


def gpu_used(cluster: Any, variables: Mapping[str, Any]) -> bool:
    """Return whether pods use the GPU of a machine, by its variables."""
    name = variables["inventory_hostname"]
    return gpus.used(as_cluster(cluster, nodes=[name]), name, variables.get(_LOOK))


def gpu_toolkit(cluster: Any, variables: Mapping[str, Any]) -> bool:
    """Return whether a machine gets NVIDIA's container toolkit from here, by its variables."""
    name = variables["inventory_hostname"]
    return gpus.toolkit_wanted(as_cluster(cluster, nodes=[name]), name, variables.get(_LOOK))


def gpu_toolkit_hosts(cluster: Any, found: Mapping[str, Any]) -> list[str]:
    """Return the machines that get NVIDIA's container toolkit from here."""
    typed = as_cluster(cluster)
    return [
        name for name in typed.nodes if gpus.toolkit_wanted(typed, name, (found.get(name) or {}).get(_LOOK))
    ]


def gpu_runtime(cluster: Any, variables: Mapping[str, Any]) -> str:
    """Return the runtime by which a machine's pods share its GPU; empty where none can be used."""
    name, spec = variables["inventory_hostname"], variables.get("nvidia_spec")
    return gpus.runtime(as_cluster(cluster, nodes=[name]), name, variables.get(_LOOK), spec)


def gpu_runtime_path(cluster: Any, variables: Mapping[str, Any]) -> str:
    """Return where that runtime lies; empty where there is none."""
    if not gpu_runtime(cluster, variables):
        return ""
    name = variables["inventory_hostname"]
    return gpus.runtime_path(as_cluster(cluster, nodes=[name]), name, variables.get(_LOOK))


def gpu_nodes(cluster: Any, found: Mapping[str, Any]) -> list[str]:
    """Return the machines whose pods share a GPU that works, except those that run no workers."""
    typed = as_cluster(cluster)
    workers = [name for name, node in typed.nodes.items() if not node.storage_only and name in found]
    return [
        name
        for name in workers
        if gpus.runtime(typed, name, found[name].get(_LOOK), found[name].get("nvidia_spec"))
    ]


def node_interface(node: Mapping[str, Any], look: Mapping[str, Any]) -> str:
    """Return the interface that has a node's address; empty where nobody has looked, or none has it.

    Args:
        node: of cluster.nodes.
        look: what preflight found on the machine.
    """
    addresses = look.get("facts", {}).get("addresses", [])
    return next((str(one["interface"]) for one in addresses if one["address"] == node["ip"]), "")


def without_k3s(cluster: Mapping[str, Any], found: Mapping[str, Any], role: str) -> list[str]:
    """Return the servers, or agents, on whose machines preflight has looked and found no k3s.

    Args:
        cluster: the variable ``cluster``.
        found: the variables of each host.
        role: which of them.
    """
    looks = {
        name: (found.get(name) or {}).get(_LOOK, {})
        for name, node in cluster["nodes"].items()
        if node["role"] == role
    }
    return [name for name, look in looks.items() if "facts" in look and not look["facts"]["k3s_units"]]


def role_variables(found: Mapping[str, Any], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return of each machine those of its variables that the roles of machines read."""
    return {name: as_wanted.role_variables(found[name]) for name in names}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "node_labels": node_labels,
            "role_variables": role_variables,
            "gpu_used": gpu_used,
            "gpu_toolkit": gpu_toolkit,
            "gpu_toolkit_hosts": gpu_toolkit_hosts,
            "gpu_runtime": gpu_runtime,
            "gpu_runtime_path": gpu_runtime_path,
            "gpu_nodes": gpu_nodes,
            "node_interface": node_interface,
            "without_k3s": without_k3s,
        }
