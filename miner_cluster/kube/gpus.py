"""Proving that pods on nodes with a GPU can compute on it: one pod on each node, which ends by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, Object
from miner_cluster.kube.waiting import Wait
from miner_cluster.manifest_item import GPU_ENV, WORKER_UID

_NAME = "gpu-check"
_CONFLICT = 409
_ENDED = frozenset({"Succeeded", "Failed"})
#: states of a container that no waiting mends
_HOPELESS = frozenset({"CreateContainerConfigError", "ErrImageNeverPull", "InvalidImageName"})
_LOG_LINES = 5


def pod(node: str, *, namespace: str, image: str, pull_policy: str) -> Object:
    """Return the pod that computes on the GPUs of a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{_NAME}-{node}", "namespace": namespace, "labels": {"app": _NAME}},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 300,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsUser": WORKER_UID,
                "runAsGroup": WORKER_UID,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "cuda",
                    "image": image,
                    "imagePullPolicy": pull_policy,
                    "command": ["python", "-m", "data_miner.cuda"],
                    "env": [{"name": name, "value": value} for name, value in GPU_ENV.items()],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "64Mi"},
                        "limits": {"cpu": "1", "memory": "1Gi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def check(api: Api, pods: Sequence[Object], *, wait_s: float, waiting: Wait) -> dict[str, Any]:
    """Run the pods, and return of each node its ``gpus`` or its ``problem``.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    paths = {one["spec"]["nodeName"]: _path(api, one) for one in pods}
    try:
        for one in pods:
            _delete(api, paths[one["spec"]["nodeName"]])
            _create(api, one, wait_s=wait_s, waiting=waiting)
        seen = _ended(api, paths, wait_s=wait_s, waiting=waiting)
        return {node: _result(api, paths[node], found) for node, found in seen.items()}
    finally:
        for path in paths.values():
            _delete(api, path)


def trouble(found: Object) -> str:
    """Say why a pod has not ended; from its container, else from its conditions."""
    status = found.get("status", {})
    for container in status.get("containerStatuses", []):
        waits = container.get("state", {}).get("waiting")
        if waits:
            return f"{waits.get('reason', '')}: {waits.get('message', '')}".strip(": ")
    return f"it is {status.get('phase', 'unknown')}"


def result(found: Object, log: str) -> dict[str, Any]:
    """Return what a pod that has ended, or never will, found out."""
    phase = found.get("status", {}).get("phase")
    if phase == "Succeeded":
        try:
            return {"gpus": json.loads(log.strip().splitlines()[-1]), "problem": ""}
        except (ValueError, IndexError):
            return {"gpus": [], "problem": f"it printed {log[-200:]!r}"}
    if phase == "Failed":
        words = " ".join(log.strip().splitlines()[-_LOG_LINES:])
        return {"gpus": [], "problem": words or found["status"].get("message", "it said nothing")}
    return {"gpus": [], "problem": trouble(found)}


def sentence(node: str, problem: str) -> str:
    """Return a problem of a node for people, with what to do."""
    return (
        f"Pods can't compute on the GPU of {node}: {problem}. Run: ansible-playbook site.yml --tags nvidia; "
        f"if that does not help, look at `nvidia-smi` and `journalctl -u 'k3s*'` there"
    )


def line(node: str, found: Mapping[str, Any]) -> str:
    """Return a node's GPUs for people."""
    names = [f"{gpu['name']} ({gpu['memory_bytes'] / (1 << 30):.0f} GiB)" for gpu in found["gpus"]]
    return f"GPU of {node}: {', '.join(names) or found['problem']}"


def _ended(api: Api, paths: Mapping[str, str], *, wait_s: float, waiting: Wait) -> dict[str, Object]:
    while True:
        seen = {node: api.call("GET", path) for node, path in paths.items()}
        left = [node for node, found in seen.items() if not _over(found)]
        if not left or waiting.waited_s >= wait_s:
            return seen
        waiting.again(lambda nodes: f"the GPUs of {', '.join(nodes)}", left)


def _over(found: Object) -> bool:
    status = found.get("status", {})
    waits = [c.get("state", {}).get("waiting", {}) for c in status.get("containerStatuses", [])]
    return status.get("phase") in _ENDED or any(one.get("reason") in _HOPELESS for one in waits)


def _result(api: Api, path: str, found: Object) -> dict[str, Any]:
    if found.get("status", {}).get("phase") in _ENDED:
        return result(found, api.raw("GET", f"{path}/log").decode("utf-8", "replace"))
    told = result(found, "")
    warning = _last_warning(api, found)
    return told | {"problem": f"{told['problem']} ({warning})" if warning else told["problem"]}


def _last_warning(api: Api, found: Object) -> str:
    """Return what Kubernetes said last of a pod, such as that its sandbox can't be made."""
    meta = found["metadata"]
    selector = f"involvedObject.name={meta['name']},type=Warning"
    events = api.list("v1", "Event", meta["namespace"], fieldSelector=selector)
    last = max(events, key=lambda event: event.get("lastTimestamp") or "", default={})
    return " ".join(str(last.get("message", "")).split())


def _path(api: Api, one: Object) -> str:
    meta = one["metadata"]
    return api.resource("v1", "Pod").path(meta["namespace"], meta["name"])


def _create(api: Api, one: Object, *, wait_s: float, waiting: Wait) -> None:
    """Make a pod, once an earlier one of its name is gone."""
    path = api.resource("v1", "Pod").path(one["metadata"]["namespace"])
    while True:
        try:
            api.call("POST", path, one)
        except ApiError as error:
            if error.status != _CONFLICT or waiting.waited_s >= wait_s:
                raise
            waiting.again(lambda: "an earlier check to end")
        else:
            return


def _delete(api: Api, path: str) -> None:
    try:
        api.call("DELETE", path, {"gracePeriodSeconds": 0})
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
