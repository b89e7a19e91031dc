"""Delete objects and wait until they, and all that they own or contain, are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.prune import OURS, ours, title
from miner_cluster.kube.rollout import POLL_S, pods_of

#: what is still there when a namespace does not end: usually pods of a machine that is away
_SHOWN = 5


def present(api: Api, objects: Sequence[Object]) -> list[Object]:
    """Return those that exist, as the API has them.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    found = []
    for obj in objects:
        try:
            found.append(api.call("GET", _path(api, obj)))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
    return found


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
    api: Api,
    found: Sequence[Object],
    *,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Delete objects and wait until they are gone, pods included.

    Raises:
        KubeError: something does not go in time; the message names the pods that are left.
    """
    for obj in found:
        if not obj["metadata"].get("deletionTimestamp"):
            _delete(api, obj)
    started, left = clock(), list(found)
    while left:
        left = [obj for obj in left if _still_there(api, obj)]
        if left and clock() - started > timeout_s:
            raise KubeError(_stuck(api, left, clock() - started))
        if left:
            sleep(POLL_S)


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


def _still_there(api: Api, obj: Object) -> bool:
    now = present(api, [obj])
    # The same name with another identity is a new object: somebody made it again.
    return bool(now) and now[0]["metadata"].get("uid") == obj["metadata"].get("uid")


def _stuck(api: Api, left: Sequence[Object], waited_s: float) -> str:
    pods = []
    for obj in left:
        if obj["kind"] == "Namespace":
            pods += api.list("v1", "Pod", obj["metadata"]["name"])
        elif obj.get("spec", {}).get("selector"):
            pods += pods_of(api, obj)
    lines = [
        f"  pod {pod['metadata']['name']} on {pod['spec'].get('nodeName', 'no node')}"
        for pod in pods[:_SHOWN]
    ]
    names = ", ".join(title(obj) for obj in left)
    return "\n".join(
        [
            f"Not gone after {waited_s:.0f} s: {names}",
            *lines,
            "If a machine is away for good: kubectl delete node NAME; then run this again",
        ]
    )
