"""Filter: the objects that run a cluster's workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster.cluster import as_cluster


def worker_objects(cluster: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each worker's Deployment or StatefulSet, as far as it takes to name it."""
    if not isinstance(cluster, Mapping):
        raise AnsibleFilterError(f"worker_objects takes the variable cluster, not {type(cluster).__name__}")
    typed = as_cluster(cluster)
    return [
        {
            "apiVersion": "apps/v1",
            "kind": worker.kind,
            "metadata": {"name": f"{name}-worker", "namespace": typed.namespace},
        }
        for name, worker in typed.workers.items()
    ]


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"worker_objects": worker_objects}
