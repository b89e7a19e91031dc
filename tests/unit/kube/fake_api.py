"""An API server in memory: objects by path, as far as our client asks for them."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, Object, Resource

NAMESPACED = {
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "ControllerRevision": ("apps/v1", "controllerrevisions"),
    "Job": ("batch/v1", "jobs"),
    "CronJob": ("batch/v1", "cronjobs"),
    "Service": ("v1", "services"),
    "ConfigMap": ("v1", "configmaps"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "Secret": ("v1", "secrets"),
    "Pod": ("v1", "pods"),
    "Event": ("v1", "events"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "ScaledObject": ("keda.sh/v1alpha1", "scaledobjects"),
}


class FakeApi(Api):
    """Applies by replacing what is given, and finds by labels; nothing runs."""

    def __init__(self, *objects: Object) -> None:
        self.server = "https://fake:6443"
        self.objects: dict[str, Object] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.refusals: dict[str, ApiError] = {}
        self.logs: dict[str, str] = {}
        for number, obj in enumerate(objects):
            stored = copy.deepcopy(obj)
            stored["metadata"].setdefault("uid", str(number))
            stored["metadata"].setdefault("resourceVersion", "1")
            self.objects[self.path(obj)] = stored

    def path(self, obj: Object) -> str:
        meta = obj["metadata"]
        return self.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])

    def resource(self, api_version: str, kind: str) -> Resource:
        namespaced = kind in NAMESPACED
        plural = NAMESPACED[kind][1] if namespaced else f"{kind.lower()}s"
        return Resource(api_version=api_version, kind=kind, plural=plural, namespaced=namespaced)

    def knows(self, api_version: str, kind: str) -> bool:
        return not api_version.startswith("keda.sh/")

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        self.requests.append((method, path, content))
        if path in self.refusals and method != "GET":
            raise self.refusals[path]
        if path.endswith("/log"):
            return self.logs.get(path, "").encode()
        if method == "PUT":
            assert isinstance(body, dict)
            if "dryRun" not in query:
                self.objects[path] = copy.deepcopy(body)
            return json.dumps(body).encode()
        if method in {"POST", "PATCH"}:
            assert isinstance(body, dict)
            return json.dumps(self._change(method, path, body, content, keep="dryRun" not in query)).encode()
        if path.rpartition("/")[2] in {"namespaces", "nodes", *(plural for _, plural in NAMESPACED.values())}:
            found = self._matching(path, query.get("labelSelector", ""))
            field, _, node = query.get("fieldSelector", "").partition("=")
            if field == "spec.nodeName":
                found = [obj for obj in found if obj["spec"].get("nodeName") == node]
            return json.dumps({"items": found}).encode()
        if path not in self.objects:
            raise ApiError(NOT_FOUND, "NotFound", f"{path} not found")
        if method == "DELETE":
            del self.objects[path]
            return b"{}"
        return json.dumps(self.objects[path]).encode()

    def _change(self, method: str, path: str, body: Object, content: str, *, keep: bool) -> Object:
        if method == "POST":
            # Whatever is made is done at once.
            self.objects[self.path(body)] = {**copy.deepcopy(body), "status": {"succeeded": 1}}
            return body
        if content == "application/merge-patch+json":
            _merge(self.objects[path], body)
            return self.objects[path]
        return self._apply(path, body, keep=keep)

    def _apply(self, path: str, body: Object, *, keep: bool) -> Object:
        before: Object = self.objects.get(path, {"metadata": {"uid": "new", "resourceVersion": "0"}})
        after = copy.deepcopy(before) | copy.deepcopy(body)
        after["metadata"] = {**before["metadata"], **body["metadata"], "managedFields": []}
        if after != before:
            after["metadata"]["resourceVersion"] = str(int(before["metadata"]["resourceVersion"]) + 1)
        if keep:
            self.objects[path] = after
        return after

    def _matching(self, path: str, selector: str) -> list[Object]:
        places = {key: key.rpartition("/")[0] for key in self.objects}
        # Of all namespaces, where the path names none.
        found = [
            self.objects[key]
            for key, place in places.items()
            if path in {place, re.sub("/namespaces/[^/]+", "", place)}
        ]
        return [obj for obj in found if _matches(obj["metadata"].get("labels", {}), selector)]


def _merge(target: Object, patch: Object) -> None:
    """Apply a JSON merge patch: maps merge, null removes."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(name, {}), value)
        else:
            target[name] = value


def _matches(labels: dict[str, Any], selector: str) -> bool:
    plain, _, phases = selector.partition(",data-miner/phase in (")
    wanted = dict(part.split("=") for part in plain.split(",") if part)
    if phases and labels.get("data-miner/phase") not in phases.rstrip(")").split(","):
        return False
    return wanted.items() <= labels.items()
