"""Objects as the playbooks make them."""

from __future__ import annotations

from typing import Any

from miner_cluster.pods import labels


def obj(kind: str, name: str, namespace: str | None = "data-miner", **more: Any) -> dict[str, Any]:
    """Return an object of ours."""
    versions = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1"}
    phase = more.pop("phase", "workers")
    return {
        "apiVersion": versions.get(kind, "v1"),
        "kind": kind,
        "metadata": {
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            "labels": labels(name=name, instance="lab", component="worker", phase=phase),
        },
        **more,
    }


NAMESPACE = obj("Namespace", "data-miner", None, phase="namespace")
