"""Many objects of the API in few requests, and pods found without a walk over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, Object
from miner_cluster.kube.prune import key

Key = tuple[str, str, str, str]
#: of so many of one kind in a namespace a list is asked for, with all that is there, and not each alone
LISTED = 2


def look_up(api: Api, objects: Sequence[Object]) -> dict[Key, Object]:
    """Return those of the objects that exist, as the API has them.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    groups: dict[tuple[str, str, str], list[Object]] = {}
    for obj in objects:
        groups.setdefault(key(obj)[:3], []).append(obj)
    found: dict[Key, Object] = {}
    for (api_version, kind, namespace), alike in groups.items():
        wanted = {key(obj) for obj in alike}
        if len(alike) > LISTED:
            listed = api.list(api_version, kind, namespace or None)
            found |= {key(obj): obj for obj in listed if key(obj) in wanted}
        else:
            found |= {key(obj): present for obj in alike if (present := get(api, obj)) is not None}
    return found


def get(api: Api, obj: Object) -> Object | None:
    """Return an object as the API has it; None where it is not there."""
    meta = obj["metadata"]
    try:
        return api.call(
            "GET", api.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])
        )
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise


class Pods:
    """Pods by namespace and each of their labels."""

    def __init__(self, pods: Iterable[Object]) -> None:
        self._labelled: dict[tuple[str | None, str, Any], list[Object]] = {}
        for pod in pods:
            namespace = pod["metadata"].get("namespace")
            for label in (pod["metadata"].get("labels") or {}).items():
                self._labelled.setdefault((namespace, *label), []).append(pod)

    def of(self, workload: Object) -> list[Object]:
        """Return the pods that a workload's selector matches."""
        selector = workload["spec"].get("selector", {}).get("matchLabels", {})
        namespace = workload["metadata"].get("namespace")
        some = [self._labelled.get((namespace, *label), []) for label in selector.items()]
        fewest = min(some, key=len, default=[])
        return [pod for pod in fewest if selector.items() <= pod["metadata"]["labels"].items()]
