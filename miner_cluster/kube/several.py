"""Several pods of a StatefulSet replaced at once, where its controller replaces one after another.

Its field ``maxUnavailable`` would do, but is not to be had yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, Object

#: pods of before that go for each new one that is ready: a change with which none gets ready costs one pod,
#: and a fleet takes as many rounds as the logarithm of its size
FOR_EACH = 2
_REVISION = "controller-revision-hash"


def to_replace(workload: Object, pods: Sequence[Object], ready: Sequence[Object]) -> list[Object]:
    """Return the pods that had better go now; none where the workload wants them one after another.

    Args:
        workload: as the API has it.
        pods: those that its selector matches; what is not its own among them is left alone.
        ready: those of them that are.
    """
    spec = workload["spec"]
    strategy = spec.get("updateStrategy", {})
    if (
        workload["kind"] != "StatefulSet"
        or spec.get("podManagementPolicy") != "Parallel"
        or strategy.get("type", "RollingUpdate") != "RollingUpdate"
        or strategy.get("rollingUpdate", {}).get("partition", 0)
    ):
        return []
    revision = workload.get("status", {}).get("updateRevision")
    uid = workload["metadata"].get("uid")
    pods, ready = ([pod for pod in some if _owner(pod) == uid] for some in (pods, ready))
    new = [pod for pod in ready if pod["metadata"].get("labels", {}).get(_REVISION) == revision]
    before = [
        pod
        for pod in pods
        if pod["metadata"].get("labels", {}).get(_REVISION) != revision
        and "deletionTimestamp" not in pod["metadata"]
    ]
    on_their_way = spec.get("replicas", 1) - len(new) - len(before)
    before.sort(key=_ordinal, reverse=True)  # as its controller does
    return before[: max(0, FOR_EACH * len(new) - on_their_way)]


def replace(api: Api, pods: Sequence[Object]) -> None:
    """Delete these very pods, which their workload makes anew, and none that came since under the same name.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    for pod in pods:
        meta = pod["metadata"]
        path = api.resource("v1", "Pod").path(meta["namespace"], meta["name"])
        try:
            api.call("DELETE", path, {"preconditions": {"uid": meta["uid"]}})
        except ApiError as error:
            if error.status not in {NOT_FOUND, HTTPStatus.CONFLICT}:
                raise


def _owner(pod: Object) -> str | None:
    """Return the identity of the workload that made a pod; None of one that nobody did."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _ordinal(pod: Object) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])
