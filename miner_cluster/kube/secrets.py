"""Secrets: compared and applied without their values ever leaving the process."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from miner_cluster.cluster import Cluster
from miner_cluster.config_checks import MONITOR
from miner_cluster.kube.api import FIELD_MANAGER, NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.apply import apply_one
from miner_cluster.kube.prune import delete, ours
from miner_cluster.manifest_item import PAGE
from miner_cluster.pods import labels

_SERVICES = ("postgres", "grafana")


def generated(cluster: Cluster) -> list[str]:
    """Return the names of the Secrets that a cluster makes up for itself."""
    monitor = cluster.workers.get(MONITOR)
    page = [PAGE] if monitor is not None and monitor.node_port is not None else []
    return [*(name for name in _SERVICES if name in cluster.infrastructure), *page]


def missing_secrets(api: Api, namespace: str, names: Iterable[str]) -> list[str]:
    """Return a sentence for each Secret that is not there; values are not compared, nobody else knows them.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    there = {secret["metadata"]["name"] for secret in api.list("v1", "Secret", namespace)}
    return [f"Secret {namespace}/{name} is missing" for name in names if name not in there]


def wanted_secret(name: str, namespace: str, instance: str, values: Mapping[str, str]) -> Object:
    """Return a Secret as it is applied."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels(name=name, instance=instance, component="secret", phase="secrets"),
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def differs(present: Object | None, wanted: Object) -> bool:
    """Whether applying would change something."""
    if present is None:
        return True
    have = present["metadata"].get("labels") or {}
    labelled = all(have.get(name) == value for name, value in wanted["metadata"]["labels"].items())
    return present.get("data") != wanted["data"] or not labelled


def apply_secret(api: Api, wanted: Object, *, check: bool) -> str:
    """Bring one Secret about; return what that is, or would be: "made", "replaced", "labelled", or nothing.

    Raises:
        KubeError: there is no namespace for it, or the API refuses or does not answer.
    """
    namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
    path = _path(namespace, name)
    present = _present(api, namespace, name)
    if not differs(present, wanted):
        return ""
    if not check:
        try:
            if present and (present.get("data") or {}).keys() - wanted["data"].keys():
                # Applying leaves alone what somebody else has set.
                api.call("PUT", path, present | {"data": wanted["data"]}, fieldManager=FIELD_MANAGER)
            apply_one(api, wanted)
        except ApiError as error:
            if error.status == NOT_FOUND:
                raise KubeError(
                    f"There is no namespace {namespace} for Secret {name} yet; run: ansible-playbook site.yml"
                ) from error
            raise KubeError(f"Secret {namespace}/{name} is refused: {error}") from error
    if present is None:
        return "made"
    return "replaced" if present.get("data") != wanted["data"] else "labelled"


def remove_secret(api: Api, namespace: str, name: str, *, check: bool) -> bool:
    """Remove a Secret of ours; True when that changes something, or would. Another's of the same name stays.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    present = _present(api, namespace, name)
    if present is None or not ours(present):
        return False
    return check or delete(api, {"apiVersion": "v1", "kind": "Secret", **present})


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def _present(api: Api, namespace: str, name: str) -> Object | None:
    try:
        return api.call("GET", _path(namespace, name))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
    return None
