"""Filter: the machines that workers which run models may come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster.cluster import as_cluster
from miner_cluster.gpus import found as found_on
from miner_cluster.model_workers import runs_models


def model_hosts(cluster: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return the machines that need the image with models."""
    if not isinstance(cluster, Mapping):
        raise AnsibleFilterError(f"model_hosts takes the variable cluster, not {type(cluster).__name__}")
    typed = as_cluster(cluster)
    return [name for name in typed.nodes if runs_models(typed, name, has_gpu=_has_gpu(found.get(name)))]


def _has_gpu(variables: Mapping[str, Any] | None) -> bool:
    looked = found_on((variables or {}).get("_preflight_look"))
    return bool(looked and looked["gpus"])


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"model_hosts": model_hosts}
