"""When a workload runs what was applied, and what is said when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.api import KubeError
from miner_cluster.kube.rollout import TOO_MANY_RESTARTS, not_settled, pending, trouble, wait
from miner_cluster.kube.waiting import Wait
from tests.modules import load_module
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi


def workload(kind: str, spec: dict[str, Any], status: dict[str, Any], generation: int = 1) -> dict[str, Any]:
    made = obj(kind, "it", spec={"selector": {"matchLabels": {"app": "it"}}, **spec}, status=status)
    made["metadata"]["generation"] = generation
    return made


SEEN = {"observedGeneration": 1}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            workload(
                "Deployment",
                {"replicas": 2},
                {**SEEN, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2},
            ),
            None,
        ),
        (workload("Deployment", {"replicas": 1}, {**SEEN}, generation=2), "has not seen the change"),
        (workload("Deployment", {"replicas": 2}, {**SEEN, "updatedReplicas": 1}), "1 of 2 pods updated"),
        (
            workload("Deployment", {"replicas": 1}, {**SEEN, "updatedReplicas": 1, "replicas": 2}),
            "1 old pods still running",
        ),
        (
            workload("StatefulSet", {"replicas": 3}, {**SEEN, "updatedReplicas": 3, "availableReplicas": 1}),
            "1 of 3 pods ready",
        ),
        (
            workload(
                "DaemonSet",
                {"updateStrategy": {"type": "OnDelete"}},
                {**SEEN, "desiredNumberScheduled": 2, "updatedNumberScheduled": 0, "numberAvailable": 2},
            ),
            None,
        ),
        (workload("DaemonSet", {}, {**SEEN, "desiredNumberScheduled": 2}), "0 of 2 pods updated"),
        (workload("Job", {}, {}), "0 of 1 completed"),
        (workload("Job", {}, {"succeeded": 1}), None),
    ],
)
def test_what_a_workload_lacks_is_said_in_words(made: dict[str, Any], words: str | None) -> None:
    found = pending(made)
    assert (found is None) == (words is None)
    assert words is None or words in str(found)


def test_only_workloads_that_lag_are_not_settled() -> None:
    lagging = workload("Deployment", {"replicas": 1}, SEEN)
    assert not_settled(FakeApi(lagging), [lagging, obj("ConfigMap", "c")]) == [lagging]


def sick_pod(**status: Any) -> dict[str, Any]:
    pod = obj("Pod", "it-0", spec={"nodeName": "lab-agent-1"}, status={"phase": "Pending", **status})
    pod["metadata"]["labels"]["app"] = "it"
    return pod


def run(api: FakeApi, timeout_s: float = 5) -> None:
    now = iter(range(1000))
    lagging = [item for item in api.objects.values() if item["kind"] not in {"Pod", "Node"}]
    waiting = Wait(clock=lambda: float(next(now)), sleep=lambda _: None)
    wait(api, lagging, timeout_s=timeout_s, waiting=waiting)


def test_in_time_nothing_is_said() -> None:
    run(FakeApi(workload("Job", {}, {"succeeded": 1})))


def test_not_in_time_the_pods_speak_for_themselves() -> None:
    waiting = {"name": "it", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {}}
    api = FakeApi(workload("Deployment", {"replicas": 1}, SEEN), sick_pod(containerStatuses=[waiting]))
    api.logs["/api/v1/namespaces/data-miner/pods/it-0/log"] = "no such table\n"
    with pytest.raises(KubeError, match="Not ready after") as raised:
        run(api)
    text = str(raised.value)
    assert "Deployment data-miner/it: 0 of 1 pods updated" in text
    assert "pod it-0 on lab-agent-1: it: CrashLoopBackOff" in text
    assert "log: it | no such table" in text


def test_a_job_that_gave_up_is_not_waited_for() -> None:
    status = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    with pytest.raises(KubeError, match="Job data-miner/it failed: BackoffLimitExceeded"):
        run(FakeApi(workload("Job", {}, status)), timeout_s=900)


def test_an_image_that_is_not_there_ends_the_wait_early() -> None:
    waiting = {"name": "it", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
    api = FakeApi(workload("Deployment", {"replicas": 1}, SEEN), sick_pod(containerStatuses=[waiting]))
    with pytest.raises(KubeError, match=r"can't start.*(?s:.)*ErrImageNeverPull"):
        run(api, timeout_s=900)


def restarting(count: int) -> dict[str, Any]:
    return {"name": "it", "restartCount": count, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


def test_a_container_that_ends_again_and_again_ends_the_wait_early() -> None:
    pod = sick_pod(containerStatuses=[restarting(7)])
    api = FakeApi(workload("Deployment", {"replicas": 1}, SEEN), pod)
    api.logs["/api/v1/namespaces/data-miner/pods/it-0/log"] = "no such table\n"
    looks = 0

    def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        api.objects[api.path(pod)]["status"]["containerStatuses"] = [restarting(7 + looks)]
        assert looks < 100

    waiting = Wait(clock=lambda: 0.0, sleep=sleep)
    with pytest.raises(KubeError, match=r"ends again and again.*(?s:.)*no such table"):
        wait(api, [workload("Deployment", {"replicas": 1}, SEEN)], timeout_s=900, waiting=waiting)
    assert looks == TOO_MANY_RESTARTS


def test_what_pods_wait_for_is_told_while_they_are_waited_for() -> None:
    said: list[str] = []
    now = iter(range(1000))
    waiting = Wait(clock=lambda: float(next(now)), sleep=lambda _: None, say=said.append)
    lagging = workload("Deployment", {"replicas": 1}, SEEN)
    with pytest.raises(KubeError):
        wait(
            FakeApi(lagging, sick_pod(containerStatuses=[restarting(7)])),
            [lagging],
            timeout_s=30,
            waiting=waiting,
        )
    assert said
    assert all(line.endswith("0 of 1 pods updated (CrashLoopBackOff)") for line in said)


def test_logs_that_are_gone_are_not_taken_for_last_words() -> None:
    class Gone(FakeApi):
        def raw(self, method: str, path: str, body: object = None, **query: str) -> bytes:
            if path.endswith("/log") and query["previous"] == "true":
                return b"unable to retrieve container logs for containerd://06dd"
            return super().raw(method, path, body, **query)

    waiting = {"name": "it", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {}}
    api = Gone(workload("Deployment", {"replicas": 1}, SEEN), sick_pod(containerStatuses=[waiting]))
    api.logs["/api/v1/namespaces/data-miner/pods/it-0/log"] = "ModuleNotFoundError\n"
    with pytest.raises(KubeError, match=r"log: it \| ModuleNotFoundError"):
        run(api)


def test_a_pod_without_a_place_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient cpu."}
    assert trouble(sick_pod(conditions=[condition])) == "not scheduled: 0/3 nodes: Insufficient cpu."


@pytest.mark.parametrize(("updated", "passes"), [(1, True), (2, False)])
def test_mounts_of_before_are_not_waited_for_as_somebody_replaces_them(*, updated: int, passes: bool) -> None:
    status = {**SEEN, "desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": 1}
    api = FakeApi(workload("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, status))
    if passes:
        run(api)
    else:
        with pytest.raises(KubeError, match="1 of 2 pods ready"):
            run(api)


def test_a_job_that_others_wait_for_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, job = load_module("kube_rollout"), workload("Job", {}, {})
    monkeypatch.setattr(loaded, "Api", lambda _: FakeApi(job))
    monkeypatch.setattr(loaded, "Wait", lambda _: Wait(clock=iter(range(9)).__next__, sleep=lambda _: None))
    params = {
        "kubeconfig": "x",
        "objects": [job],
        "phases": [],
        "namespaces": [],
        "additions": [],
        "wait_s": 1,
    }
    assert not loaded.run(params | {"jobs": False}, check=False)["changed"]
    with pytest.raises(KubeError, match="Job data-miner/it: 0 of 1 completed"):
        loaded.run(params | {"jobs": True}, check=False)


def test_a_slow_look_at_a_few_is_followed_by_the_next_all_the_same() -> None:
    pauses: list[float] = []
    lagging = workload("Deployment", {"replicas": 1}, SEEN)
    waiting = Wait(clock=iter(range(100)).__next__, sleep=pauses.append)
    with pytest.raises(KubeError):
        wait(FakeApi(lagging), [lagging], timeout_s=9, waiting=waiting)
    assert set(pauses) == {0.5}
