"""Server-side apply, one request for each object."""

from __future__ import annotations

from collections.abc import Iterable

from miner_cluster.kube.api import FIELD_MANAGER, Api, ApiError, KubeError, Object
from miner_cluster.kube.prune import key, title
from miner_cluster.kube.waiting import Wait

_CONTENT = "application/apply-patch+yaml"
#: what the server says of a port that it holds, and for how long it may hold one for nobody: it looks every
#: three minutes, and frees one that it has found three times
_TAKEN = "provided port is already allocated"
_FREED_S = 900.0
_ASK_S = 5.0


def apply(api: Api, objects: Iterable[Object], waiting: Wait) -> None:
    """Apply objects in their order; fields that others have set as well become ours.

    A port that the server holds for a Service whose request was cut off, as a run was killed, is waited for.

    Raises:
        KubeError: the API refuses one, and those before it are applied; or it does not answer.
    """
    for obj in objects:
        while True:
            try:
                apply_one(api, obj)
            except ApiError as error:
                ports = _ports(obj) if _TAKEN in str(error) else set()
                others = [title(service) for service in _services(api, obj, ports)]
                if not ports or others or waiting.waited_s > _FREED_S:
                    of = f"; that of {', '.join(others)}" if others else ""
                    raise KubeError(f"{title(obj)} can't be applied: {error}{of}") from error
                waiting.again(_held_for_none, ports, poll_s=_ASK_S)
            else:
                break


def _held_for_none(ports: set[int]) -> str:
    return (
        f"port {', '.join(map(str, sorted(ports)))} is held for a request that was cut off before; the API "
        "server frees it about ten minutes later"
    )


def _ports(obj: Object) -> set[int]:
    """Return the ports of the machines that an object asks for."""
    wanted = obj["spec"].get("ports", []) if obj["kind"] == "Service" else []
    return {port["nodePort"] for port in wanted if "nodePort" in port}


def _services(api: Api, obj: Object, ports: set[int]) -> list[Object]:
    """Return the other Services that have one of these ports."""
    found = api.list("v1", "Service") if ports else []
    return [service for service in found if key(service) != key(obj) and _ports(service) & ports]


def apply_one(api: Api, obj: Object, **query: str) -> Object:
    """Apply one object and return what the API makes of it.

    Raises:
        ApiError: the API refuses it.
        KubeError: it does not answer.
    """
    meta = obj["metadata"]
    path = api.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])
    return api.call("PATCH", path, obj, content=_CONTENT, fieldManager=FIELD_MANAGER, force="true", **query)
