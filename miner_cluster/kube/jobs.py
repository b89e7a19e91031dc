"""Running a finished Job once more."""

from __future__ import annotations

from typing import Any

from miner_cluster.kube.absent import remove
from miner_cluster.kube.api import FIELD_MANAGER, Api, Object
from miner_cluster.kube.prune import OURS
from miner_cluster.kube.rollout import wait
from miner_cluster.kube.waiting import Wait

#: labels that the cluster gives to a Job's pods, and wants to give itself
_GIVEN = ("controller-uid", "job-name", "batch.kubernetes.io/")


def run_again(api: Api, namespace: str, prefix: str, *, timeout_s: float, waiting: Wait) -> list[str]:
    """Replace our Jobs whose names begin so by themselves, wait until they are done, and return their names.

    Raises:
        KubeError: the API refuses or does not answer, or a Job fails.
    """
    jobs = [
        job
        for job in api.list("batch/v1", "Job", namespace, labelSelector=OURS)
        if job["metadata"]["name"].startswith(prefix)
    ]
    remove(api, jobs, timeout_s=timeout_s, waiting=waiting)
    fresh = [as_new(job) for job in jobs]
    for job in fresh:
        api.call("POST", api.resource("batch/v1", "Job").path(namespace), job, fieldManager=FIELD_MANAGER)
    wait(api, fresh, timeout_s=timeout_s, waiting=waiting)
    return [job["metadata"]["name"] for job in fresh]


def as_new(job: Object) -> Object:
    """Return what was once applied to make a Job that is there."""
    meta, template = job["metadata"], job["spec"]["template"]
    spec: dict[str, Any] = {k: v for k, v in job["spec"].items() if k not in {"selector", "template"}}
    pod_meta = template.get("metadata", {}) | {"labels": _own(template.get("metadata", {}).get("labels", {}))}
    pod_meta.pop("creationTimestamp", None)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": _own(meta.get("labels", {})),
            "annotations": _own(meta.get("annotations", {})),
        },
        "spec": spec | {"template": {"metadata": pod_meta, "spec": template["spec"]}},
    }


def _own(names: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in names.items() if not name.startswith(_GIVEN)}
