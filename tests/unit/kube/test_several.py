"""How many pods of a StatefulSet are replaced at once."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.api import ApiError, Object
from miner_cluster.kube.rollout import ready, wait
from miner_cluster.kube.several import replace, to_replace
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi
from tests.unit.kube.test_rollout import SEEN, workload

PARALLEL = {"podManagementPolicy": "Parallel", "updateStrategy": {"type": "RollingUpdate"}}


def pod(number: int, revision: str, *, is_ready: bool = True, ending: bool = False) -> Object:
    condition = {"type": "Ready", "status": str(is_ready)}
    made = obj("Pod", f"it-{number}", spec={}, status={"phase": "Running", "conditions": [condition]})
    made["metadata"] |= {"labels": {"app": "it", "controller-revision-hash": revision}, "uid": f"{number}"}
    made["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "uid": "its own", "controller": True}]
    if ending:
        made["metadata"]["deletionTimestamp"] = "now"
    return made


def names(pods: list[Object], replicas: int, **spec: Any) -> list[str]:
    status = {**SEEN, "updateRevision": "new"}
    made = workload(spec.pop("kind", "StatefulSet"), {"replicas": replicas, **PARALLEL, **spec}, status)
    made["metadata"]["uid"] = "its own"
    chosen = to_replace(made, pods, [one for one in pods if ready(one)])
    return [one["metadata"]["name"] for one in chosen]


def old(*numbers: int) -> list[Object]:
    return [pod(number, "old") for number in numbers]


def test_before_the_first_new_one_is_ready_all_others_stay() -> None:
    assert names([*old(0, 1), pod(2, "new", is_ready=False)], 3) == []
    assert names(old(0, 1, 2), 3) == []


def test_then_two_go_for_each_that_is_ready_the_last_first() -> None:
    assert names([*old(0, 1), pod(2, "new")], 3) == ["it-1", "it-0"]
    assert names([*old(*range(19)), pod(19, "new")], 20) == ["it-18", "it-17"]
    assert len(names([*old(*range(17)), *(pod(n, "new") for n in (17, 18, 19))], 20)) == 6


def test_what_is_on_its_way_counts() -> None:
    ending, starting = pod(8, "old", ending=True), pod(9, "new", is_ready=False)
    assert names([*old(*range(8)), ending, pod(10, "new")], 10) == ["it-7"]
    assert names([*old(*range(7)), ending, starting, pod(10, "new")], 10) == []
    assert names([*old(*range(8)), pod(9, "new")], 10) == ["it-7"]  # one is not made yet


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "Deployment"},
        {"podManagementPolicy": "OrderedReady"},
        {"updateStrategy": {"type": "OnDelete"}},
        {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
    ],
)
def test_what_wants_another_order_is_left_to_its_controller(spec: dict[str, Any]) -> None:
    assert names([*old(0, 1), pod(2, "new")], 3, **spec) == []


def test_pods_of_others_that_have_the_same_labels_stay() -> None:
    """As those of the Deployment that a worker was before, which have no number either."""
    others, nobodys = pod(0, "old"), pod(1, "old")
    others["metadata"] |= {
        "name": "it-7d9f-abcde",
        "ownerReferences": [{"uid": "another", "controller": True}],
    }
    del nobodys["metadata"]["ownerReferences"]
    assert names([others, nobodys, pod(2, "new")], 3) == []


def test_a_pod_that_went_or_came_anew_meanwhile_is_none_of_ours() -> None:
    api = FakeApi()
    path = api.path(pod(1, "old"))
    replace(api, [pod(1, "old")])  # it is gone already
    api.refusals[path] = ApiError(409, "Conflict", "the UID in the precondition does not match")
    replace(api, [pod(1, "old")])
    api.refusals[path] = ApiError(403, "Forbidden", "no")
    with pytest.raises(ApiError):
        replace(api, [pod(1, "old")])


def test_a_rollout_replaces_what_is_left_as_soon_as_the_first_is_ready() -> None:
    status = {**SEEN, "updateRevision": "new", "updatedReplicas": 1, "availableReplicas": 3}
    made = workload("StatefulSet", {"replicas": 3, **PARALLEL}, status)
    made["metadata"]["uid"] = "its own"
    api = FakeApi(made, *old(0, 1), pod(2, "new"))

    def sleep(_: float) -> None:
        assert not [path for path in api.objects if path.endswith(("it-0", "it-1"))]
        api.objects[api.path(made)]["status"] |= {"updatedReplicas": 3}

    wait(api, [made], timeout_s=60, waiting=Wait(clock=lambda: 0.0, sleep=sleep))
