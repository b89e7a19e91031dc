"""Server-side apply, one request for each object."""

from __future__ import annotations

from collections.abc import Iterable

from miner_cluster.kube.api import FIELD_MANAGER, Api, ApiError, KubeError, Object
from miner_cluster.kube.prune import title

_CONTENT = "application/apply-patch+yaml"


def apply(api: Api, objects: Iterable[Object]) -> None:
    """Apply objects in their order; fields that others have set as well become ours.

    Raises:
        KubeError: the API refuses one, and those before it are applied; or it does not answer.
    """
    for obj in objects:
        try:
            apply_one(api, obj)
        except ApiError as error:
            raise KubeError(f"{title(obj)} can't be applied: {error}") from error


def apply_one(api: Api, obj: Object, **query: str) -> Object:
    """Apply one object and return what the API makes of it.

    Raises:
        ApiError: the API refuses it.
        KubeError: it does not answer.
    """
    meta = obj["metadata"]
    path = api.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])
    return api.call("PATCH", path, obj, content=_CONTENT, fieldManager=FIELD_MANAGER, force="true", **query)
