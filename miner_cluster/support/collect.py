"""What the API knows of a cluster, as files of text. What can't be had is named in its place."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

from miner_cluster.kube.api import Api, KubeError, Object

_LOG_LINES = "2000"
_KINDS = (
    ("v1", "Pod"),
    ("v1", "Event"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
)


def texts(api: Api, namespaces: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and contents of files."""
    yield "cluster/version.json", _try(lambda: _json(api.call("GET", "/version")))
    yield "cluster/nodes.json", _try(lambda: _json([_plain(o) for o in api.list("v1", "Node")]))
    for namespace in namespaces:
        for api_version, kind in _KINDS:
            name = f"cluster/{namespace}/{kind.lower()}s.json"
            yield name, _try(lambda v=api_version, k=kind, n=namespace: _objects(api, v, k, n))
        yield from _of_pods(api, namespace)


def secrets(api: Api, namespaces: Sequence[str]) -> list[str]:
    """Return every value of every Secret: what must not be in the files.

    Raises:
        KubeError: they can't be read, so nobody knows.
    """
    found = [secret for namespace in namespaces for secret in api.list("v1", "Secret", namespace)]
    return [
        base64.b64decode(value).decode(errors="replace")
        for secret in found
        for value in (secret.get("data") or {}).values()
    ]


def _of_pods(api: Api, namespace: str) -> Iterator[tuple[str, str]]:
    try:
        pods = api.list("v1", "Pod", namespace)
    except KubeError as error:
        yield f"logs/{namespace}.txt", f"can't be had: {error}\n"
        return
    for pod in pods:
        name = pod["metadata"]["name"]
        path = api.resource("v1", "Pod").path(namespace, name)
        status = pod.get("status", {})
        states = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        for state in states:
            here, file = state["name"], f"logs/{namespace}/{name}.{state['name']}"
            yield f"{file}.log", _try(lambda p=path, c=here: _log(api, p, c))
            if state.get("restartCount"):
                yield f"{file}.previous.log", _try(lambda p=path, c=here: _log(api, p, c, previous="true"))
        for port in (p for c in pod["spec"]["containers"] for p in c.get("ports", [])):
            if port.get("name") == "http":
                address = f"{path}:{port['containerPort']}/proxy/metrics"
                yield (
                    f"metrics/{name}.txt",
                    _try(lambda a=address: api.raw("GET", a).decode(errors="replace")),
                )


def _log(api: Api, path: str, container: str, **query: str) -> str:
    options = {"container": container, "tailLines": _LOG_LINES, "timestamps": "true", **query}
    return api.raw("GET", f"{path}/log", **options).decode(errors="replace")


def _objects(api: Api, api_version: str, kind: str, namespace: str) -> str:
    return _json([_plain(obj) for obj in api.list(api_version, kind, namespace)])


def _plain(obj: Object) -> Object:
    """Return an object without the server's own notes; of a Secret only which keys it has."""
    plain: dict[str, Any] = {**obj, "metadata": {**obj["metadata"]}}
    plain["metadata"].pop("managedFields", None)
    if obj["kind"] == "Secret":
        plain["data"] = dict.fromkeys(obj.get("data") or {}, "")
    return plain


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _try(read: Any) -> str:
    try:
        text: str = read()
    except KubeError as error:
        return f"can't be had: {error}\n"
    return text
