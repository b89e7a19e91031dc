"""Delete objects and wait until they, and all that they own or contain, are gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.many import look_up
from miner_cluster.kube.prune import OURS, ours, title
from miner_cluster.kube.rollout import pods_of
from miner_cluster.kube.waiting import Wait

#: what is still there when a namespace does not end: usually pods of a machine that is away
_SHOWN = 5


def present(api: Api, objects: Sequence[Object]) -> list[Object]:
    """Return those that exist, as the API has them.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    return list(look_up(api, objects).values())


def refuse_foreign(found: Sequence[Object]) -> None:
    """Check that everything is ours.

    Raises:
        KubeError: something was made by somebody else.
    """
    for obj in found:
        if not ours(obj):
            raise KubeError(
                f"{title(obj)} was not made by these playbooks (it lacks the labels {OURS}); "
                "nothing was deleted. Choose another namespace in cluster_config.yaml, or delete it yourself"
            )


def remove(
    api: Api, found: Sequence[Object], *, timeout_s: float, waiting: Wait, away: Collection[str] = ()
) -> None:
    """Delete objects and wait until they are gone, pods included.

    Args:
        api: the cluster's.
        found: the objects, as the API has them.
        timeout_s: for all of them together.
        waiting: the wait, which tells what is not gone yet.
        away: machines that can't say that a pod has ended; their pods are forgotten.

    Raises:
        KubeError: something does not go in time; the message names the pods that are left.
    """
    for obj in found:
        if not obj["metadata"].get("deletionTimestamp"):
            _delete(api, obj)
    left = list(found)
    while left:
        _forget(api, left, away)
        left = [obj for obj in left if _still_there(api, obj)]
        if left and waiting.waited_s > timeout_s:
            raise KubeError(_stuck(api, left, waiting.waited_s))
        if left:
            waiting.again(_not_gone, api, left)


def _path(api: Api, obj: Object) -> str:
    meta = obj["metadata"]
    return api.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])


def _delete(api: Api, obj: Object) -> None:
    try:
        # Foreground: the object itself goes last, so that its absence means that its pods are gone.
        api.call("DELETE", _path(api, obj), {"propagationPolicy": "Foreground"})
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise KubeError(f"{title(obj)} can't be deleted: {error}") from error


def _forget(api: Api, left: Sequence[Object], away: Collection[str]) -> None:
    """Take pods of machines that are away out of the API, where they would wait for these."""
    for pod in _pods(api, left) if away else ():
        if pod["spec"].get("nodeName") in away:
            try:
                api.call("DELETE", _path(api, pod), {"gracePeriodSeconds": 0})
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise


def _still_there(api: Api, obj: Object) -> bool:
    now = present(api, [obj])
    # The same name with another identity is a new object: somebody made it again.
    return bool(now) and now[0]["metadata"].get("uid") == obj["metadata"].get("uid")


def _pods(api: Api, left: Sequence[Object]) -> list[Object]:
    pods = []
    for obj in left:
        if obj["kind"] == "Namespace":
            pods += api.list("v1", "Pod", obj["metadata"]["name"])
        elif obj.get("spec", {}).get("selector"):
            pods += pods_of(api, obj)
    return pods


def _not_gone(api: Api, left: Sequence[Object]) -> str:
    names = ", ".join(title(obj) for obj in left)
    pods = [pod["metadata"]["name"] for pod in _pods(api, left)]
    return f"not gone yet: {names}" + (f", pods {', '.join(pods[:_SHOWN])}" if pods else "")


def _stuck(api: Api, left: Sequence[Object], waited_s: float) -> str:
    lines = [
        f"  pod {pod['metadata']['name']} on {pod['spec'].get('nodeName', 'no node')}"
        for pod in _pods(api, left)[:_SHOWN]
    ]
    names = ", ".join(title(obj) for obj in left)
    return "\n".join(
        [
            f"Not gone after {waited_s:.0f} s: {names}",
            *lines,
            "If a machine is away for good: kubectl delete node NAME; then run this again",
        ]
    )
