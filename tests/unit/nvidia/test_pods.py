"""Pods that compute on GPUs: what each says, and nothing of them is left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from miner_cluster.kube import gpus
from miner_cluster.kube.api import Object
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi

FOUND = [{"name": "H100", "memory_bytes": 80 << 30}]


class Kubelets(FakeApi):
    """An API whose pods are at once in a state that the test says, by node."""

    def __init__(self, states: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.states = states

    def _change(self, method: str, path: str, body: Object, content: str, *, keep: bool) -> Object:
        answer = super()._change(method, path, body, content, keep=keep)
        self.objects[self.path(body)]["status"] = self.states[body["spec"]["nodeName"]]
        return answer


def wait() -> Wait:
    now = iter(range(10_000))
    return Wait(clock=lambda: float(next(now)), sleep=lambda _: None)


def pod(node: str) -> Object:
    return gpus.pod(node, namespace="data-miner", image="data-miner:1", pull_policy="Never")


def waiting_for(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"state": state}]}


def test_each_node_is_told_by_its_own_pod_and_all_are_removed() -> None:
    api = Kubelets(
        {
            "good": {"phase": "Succeeded"},
            "bad": {"phase": "Failed"},
            "odd": waiting_for("CreateContainerError", "unresolvable CDI devices nvidia.com/gpu=all"),
        }
    )
    pods = [pod(node) for node in api.states]
    api.logs[f"{api.path(pods[0])}/log"] = json.dumps(FOUND)
    api.logs[f"{api.path(pods[1])}/log"] = "cuInit failed: CUDA_ERROR_UNKNOWN (999)\n"
    found = gpus.check(api, pods, wait_s=5, waiting=wait())
    assert found["good"] == {"gpus": FOUND, "problem": ""}
    assert "CUDA_ERROR_UNKNOWN" in found["bad"]["problem"]
    assert "unresolvable CDI devices" in found["odd"]["problem"]
    assert api.objects == {}
    assert gpus.line("good", found["good"]) == "GPU of good: H100 (80 GiB)"
    assert "--tags nvidia" in gpus.sentence("bad", found["bad"]["problem"])


def test_what_no_waiting_mends_is_not_waited_for() -> None:
    waiting = wait()
    api = Kubelets({"a": waiting_for("ErrImageNeverPull", "no image")})
    found = gpus.check(api, [pod("a")], wait_s=1000, waiting=waiting)
    assert found["a"]["problem"] == "ErrImageNeverPull: no image"
    assert waiting.waited_s < 20


def test_a_pod_that_never_starts_says_what_kubernetes_said_of_it() -> None:
    api = Kubelets({"a": waiting_for("ContainerCreating")})
    for number, message in enumerate(["first", "fork/exec /usr/bin/nvidia-container-runtime: no such file"]):
        event = obj("Event", f"e{number}", message=message, lastTimestamp=f"2026-11-26T06:0{number}:00Z")
        api.objects[api.path(event)] = event
    found = gpus.check(api, [pod("a")], wait_s=5, waiting=wait())
    assert "ContainerCreating (fork/exec" in found["a"]["problem"]


@pytest.mark.parametrize("log", ["", "no JSON"])
def test_a_pod_that_ended_well_and_said_nothing_is_a_problem(log: str) -> None:
    assert gpus.result({"status": {"phase": "Succeeded"}}, log)["problem"]


def test_the_pod_asks_for_gpus_and_for_no_right_beside() -> None:
    spec = pod("a")["spec"]
    (container,) = spec["containers"]
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in container["env"]
    assert "nvidia.com/gpu" not in json.dumps(spec)
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["securityContext"]["runAsNonRoot"]
