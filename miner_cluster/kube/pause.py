"""No worker runs for a while: their numbers become 0, are kept where they were, and come back.

Numbers that KEDA sets it must leave alone meanwhile, or it would start workers at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.node_labels import MERGE_PATCH
from miner_cluster.kube.prune import OURS, title
from miner_cluster.kube.rollout import pods_of
from miner_cluster.kube.waiting import Wait

#: holds the number of replicas while they are 0; a run that was interrupted finds it again
ANNOTATION = "data-miner/replicas-before-pause"

_MANAGER = "data-miner-pause"
_KINDS = ("StatefulSet", "Deployment")
#: asks KEDA to have so many pods, whatever waits
_KEDA, KEDA_ANNOTATION = "keda.sh/v1alpha1", "autoscaling.keda.sh/paused-replicas"


def pause(api: Api, namespace: str, *, timeout_s: float, waiting: Wait, check: bool = False) -> list[str]:
    """Let no worker run, wait until their pods have ended, and return the titles of those that ran.

    Raises:
        KubeError: the API refuses or does not answer, or pods don't end in time.
    """
    found = workers(api, namespace)
    running = [workload for workload in found if workload["spec"].get("replicas", 1)]
    if check:
        return [title(workload) for workload in running]
    for scaler in _scalers(api, namespace):
        _annotate(api, scaler, {KEDA_ANNOTATION: "0"})
    for workload in running:
        _patch(api, workload, replicas=0, before=str(workload["spec"].get("replicas", 1)))
    while left := [pod for workload in found for pod in pods_of(api, workload)]:
        if waiting.waited_s > timeout_s:
            names = ", ".join(pod["metadata"]["name"] for pod in left[:5])
            raise KubeError(
                f"Workers did not end in {waiting.waited_s:.0f} s: {names}; if a machine is away for good: "
                "kubectl delete node NAME; then run this again"
            )
        waiting.again(_not_ended, left)
    return [title(workload) for workload in running]


def resume(api: Api, namespace: str, *, check: bool = False) -> list[str]:
    """Give paused workers their numbers back and return their titles.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    paused = [workload for workload in workers(api, namespace) if ANNOTATION in _annotations(workload)]
    for workload in paused if not check else ():
        _patch(api, workload, replicas=int(_annotations(workload)[ANNOTATION]), before=None)
    for scaler in _scalers(api, namespace) if not check else ():
        if KEDA_ANNOTATION in _annotations(scaler):
            _annotate(api, scaler, {KEDA_ANNOTATION: None})
    return [title(workload) for workload in paused]


def resting(api: Api, namespace: str) -> list[str]:
    """Return the titles of workers that rest now, for somebody who goes on or was interrupted.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    return [
        title(workload)
        for workload in workers(api, namespace)
        if ANNOTATION in _annotations(workload) and not workload["spec"].get("replicas", 1)
    ]


def workers(api: Api, namespace: str) -> list[Object]:
    """Return our workers' workloads; none where the namespace is not there yet."""
    return [workload for kind in _KINDS for workload in _list(api, namespace, "apps/v1", kind)]


def _scalers(api: Api, namespace: str) -> list[Object]:
    """Return what has KEDA set our workers' numbers; none where the cluster has no KEDA."""
    return _list(api, namespace, _KEDA, "ScaledObject") if api.knows(_KEDA, "ScaledObject") else []


def _list(api: Api, namespace: str, api_version: str, kind: str) -> list[Object]:
    selector = f"{OURS},app.kubernetes.io/component=worker"
    try:
        return api.list(api_version, kind, namespace, labelSelector=selector)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return []


def _patch(api: Api, workload: Object, *, replicas: int, before: str | None) -> None:
    _annotate(api, workload, {ANNOTATION: before}, spec={"replicas": replicas})


def _annotate(api: Api, obj: Object, annotations: dict[str, str | None], **more: Object) -> None:
    meta = obj["metadata"]
    path = api.resource(obj["apiVersion"], obj["kind"]).path(meta["namespace"], meta["name"])
    body = {"metadata": {"annotations": annotations}, **more}
    api.call("PATCH", path, body, content=MERGE_PATCH, fieldManager=_MANAGER)


def _annotations(workload: Object) -> dict[str, str]:
    found: dict[str, str] = workload["metadata"].get("annotations") or {}
    return found


def _not_ended(left: Sequence[Object]) -> str:
    return "workers end: " + ", ".join(pod["metadata"]["name"] for pod in left[:5])
