"""Workers rest and go on with the numbers that they had, also after an interruption."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.api import KubeError
from miner_cluster.kube.jobs import as_new, run_again
from miner_cluster.kube.pause import ANNOTATION, KEDA_ANNOTATION, pause, resting, resume
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi

QUICK = Wait(sleep=lambda _: None)


def workload(kind: str, name: str, replicas: int) -> dict[str, Any]:
    selector = {"matchLabels": {"app.kubernetes.io/name": name}}
    return obj(kind, name, spec={"replicas": replicas, "selector": selector})


def replicas(api: FakeApi) -> dict[str, int]:
    return {
        found["metadata"]["name"]: found["spec"]["replicas"]
        for found in api.objects.values()
        if found["kind"] in {"Deployment", "StatefulSet"}
    }


@pytest.fixture
def api() -> FakeApi:
    postgres = workload("StatefulSet", "postgres", 1)
    postgres["metadata"]["labels"]["app.kubernetes.io/component"] = "infrastructure"
    return FakeApi(
        workload("StatefulSet", "download-worker", 3),
        workload("Deployment", "extract-worker", 2),
        workload("Deployment", "off-worker", 0),
        postgres,
    )


def test_only_workers_rest_and_each_gets_its_number_back(api: FakeApi) -> None:
    before = replicas(api)
    paused = pause(api, "data-miner", timeout_s=1, waiting=QUICK)
    assert sorted(paused) == [
        "Deployment data-miner/extract-worker",
        "StatefulSet data-miner/download-worker",
    ]
    assert replicas(api) == {"download-worker": 0, "extract-worker": 0, "off-worker": 0, "postgres": 1}
    assert sorted(resume(api, "data-miner")) == sorted(paused)
    assert replicas(api) == before
    assert not [o for o in api.objects.values() if ANNOTATION in o["metadata"].get("annotations", {})]
    assert resume(api, "data-miner") == []


def test_a_pause_that_was_interrupted_remembers_the_numbers(api: FakeApi) -> None:
    before = replicas(api)
    pause(api, "data-miner", timeout_s=1, waiting=QUICK)
    pause(api, "data-miner", timeout_s=1, waiting=QUICK)
    resume(api, "data-miner")
    assert replicas(api) == before


def test_workers_rest_until_they_run_again_whoever_lets_them(api: FakeApi) -> None:
    assert resting(api, "data-miner") == []
    paused = pause(api, "data-miner", timeout_s=1, waiting=QUICK)
    assert sorted(resting(api, "data-miner")) == sorted(paused)
    for found in api.objects.values():
        found["spec"]["replicas"] = 1
    assert resting(api, "data-miner") == []


def test_what_runs_again_meanwhile_is_paused_with_its_new_number(api: FakeApi) -> None:
    pause(api, "data-miner", timeout_s=1, waiting=QUICK)
    path = next(path for path in api.objects if path.endswith("extract-worker"))
    api.objects[path]["spec"]["replicas"] = 5
    pause(api, "data-miner", timeout_s=1, waiting=QUICK)
    resume(api, "data-miner")
    assert replicas(api) == {"download-worker": 3, "extract-worker": 5, "off-worker": 0, "postgres": 1}


def test_check_mode_changes_nothing(api: FakeApi) -> None:
    before = replicas(api)
    assert len(pause(api, "data-miner", timeout_s=1, waiting=QUICK, check=True)) == 2
    assert replicas(api) == before


class WithKeda(FakeApi):
    """A cluster that has KEDA, which starts pods where nobody keeps it from doing so."""

    def knows(self, api_version: str, kind: str) -> bool:
        return True

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        answer = super().raw(method, path, body, content=content, **query)
        scaled = self.objects["/apis/keda.sh/v1alpha1/namespaces/data-miner/scaledobjects/extract-worker"]
        worker = self.objects["/apis/apps/v1/namespaces/data-miner/deployments/extract-worker"]
        if (
            KEDA_ANNOTATION not in scaled["metadata"].get("annotations", {})
            and not worker["spec"]["replicas"]
        ):
            worker["spec"]["replicas"] = 1
        return answer


@pytest.mark.parametrize("before", [0, 2])
def test_keda_starts_nothing_meanwhile_and_again_afterwards(before: int) -> None:
    scaled = obj("ScaledObject", "extract-worker")
    scaled["apiVersion"] = "keda.sh/v1alpha1"
    api = WithKeda(workload("Deployment", "extract-worker", before), scaled)
    pause(api, "data-miner", timeout_s=1, waiting=QUICK, check=True)
    assert not [path for method, path, _ in api.requests if method == "PATCH"]
    pause(api, "data-miner", timeout_s=1, waiting=QUICK)
    assert replicas(api) == {"extract-worker": 0}
    api.list("v1", "Pod", "data-miner")
    assert replicas(api) == {"extract-worker": 0}
    resume(api, "data-miner")
    api.list("v1", "Pod", "data-miner")
    assert replicas(api) == {"extract-worker": before or 1}
    assert not [o for o in api.objects.values() if KEDA_ANNOTATION in o["metadata"].get("annotations", {})]


def test_pods_that_do_not_end_are_named(api: FakeApi) -> None:
    pod = obj("Pod", "extract-worker-x")
    pod["metadata"]["labels"]["app.kubernetes.io/name"] = "extract-worker"
    api.objects[api.path(pod)] = pod
    with pytest.raises(KubeError, match=r"did not end .* extract-worker-x.*kubectl delete node"):
        pause(api, "data-miner", timeout_s=-1, waiting=QUICK)


def test_a_job_is_made_again_as_it_was_applied_and_waited_for() -> None:
    job = obj(
        "Job",
        "db-migrate-1",
        spec={
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "x"}},
            "backoffLimit": 3,
            "template": {
                "metadata": {"labels": {"job-name": "db-migrate-1", "own": "1", "controller-uid": "x"}},
                "spec": {"containers": []},
            },
        },
        status={"succeeded": 1},
    )
    new = as_new(job)
    assert new["spec"] == {
        "backoffLimit": 3,
        "template": {"metadata": {"labels": {"own": "1"}}, "spec": {"containers": []}},
    }
    assert "status" not in new
    assert set(new["metadata"]) == {"name", "namespace", "labels", "annotations"}
    api = FakeApi(job, obj("Job", "other"))
    assert run_again(api, "data-miner", "db-migrate", timeout_s=1, waiting=QUICK) == ["db-migrate-1"]
    assert [
        method for method, path, _ in api.requests if path.endswith("db-migrate-1") and method == "DELETE"
    ]
    assert not [path for method, path, _ in api.requests if path.endswith("other") and method == "DELETE"]
