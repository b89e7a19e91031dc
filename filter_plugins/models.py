"""Filters: the machines that workers which run models may come to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster.cluster import as_cluster, as_node
from miner_cluster.gpus import found as found_on
from miner_cluster.model_workers import model_workers
from miner_cluster.model_workers import runs_models as runs


def runs_models(cluster: Mapping[str, Any], variables: Mapping[str, Any]) -> bool:
    """Return whether a machine needs the image with models, by its variables."""
    _require(cluster, "runs_models")
    name = variables["inventory_hostname"]
    alone = as_cluster(cluster, nodes=[name])
    return runs(alone, alone.nodes[name], has_gpu=_has_gpu(variables))


def model_host(
    cluster: Mapping[str, Any], found: Mapping[str, Any], among: Collection[str] | None = None
) -> str:
    """Return the first machine, of these, that needs the image with models; empty where none does."""
    _require(cluster, "model_host")
    without_nodes = as_cluster(cluster, nodes=[])
    if not model_workers(without_nodes):
        return ""
    for name, node in cluster["nodes"].items():
        if (among is None or name in among) and runs(
            without_nodes, as_node(node), has_gpu=_has_gpu(found.get(name))
        ):
            return str(name)
    return ""


def _require(cluster: object, name: str) -> None:
    if not isinstance(cluster, Mapping):
        raise AnsibleFilterError(f"{name} takes the variable cluster, not {type(cluster).__name__}")


def _has_gpu(variables: Mapping[str, Any] | None) -> bool:
    looked = found_on((variables or {}).get("_preflight_look"))
    return bool(looked and looked["gpus"])


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"model_host": model_host, "runs_models": runs_models}
