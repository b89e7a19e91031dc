"""Which workloads nobody waits for, as only a machine that is away could run what they lack."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.absent_nodes import HOSTNAME, held_up
from miner_cluster.kube.api import KubeError, Object
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi
from tests.unit.kube.test_rollout import SEEN, run, workload

NODES = {"here": True, "there": True, "away": False}


def pod(node: str) -> Object:
    made = obj("Pod", f"it-{node}", spec={"nodeName": node}, status={})
    made["metadata"]["labels"]["app"] = "it"
    return made


def pinned(node: str) -> dict[str, Any]:
    return {"template": {"spec": {"nodeSelector": {HOSTNAME: node}}}}


def daemon_set(strategy: str, updated: int) -> Object:
    counts = {"desiredNumberScheduled": 3, "updatedNumberScheduled": updated, "numberAvailable": 2}
    return workload("DaemonSet", {"updateStrategy": {"type": strategy}}, SEEN | counts)


def deployment(available: int) -> Object:
    counts = {"updatedReplicas": 2, "availableReplicas": available}
    return workload("Deployment", {"replicas": 2}, SEEN | counts)


@pytest.mark.parametrize(
    ("made", "pods", "expected"),
    [
        (workload("StatefulSet", pinned("away"), SEEN), [], True),
        (workload("StatefulSet", pinned("never joined"), SEEN), [], True),
        (workload("StatefulSet", pinned("here"), SEEN), ["here", "away"], False),
        (workload("StatefulSet", {"replicas": 3}, SEEN), ["here", "away"], True),
        (workload("StatefulSet", {"replicas": 3}, SEEN), ["here", "there"], False),
        (workload("StatefulSet", {"replicas": 1}, SEEN), [""], False),
        (daemon_set("RollingUpdate", 3), ["here", "there", "away"], True),
        (daemon_set("RollingUpdate", 1), ["here", "there", "away"], False),
        (daemon_set("OnDelete", 0), ["here", "there", "away"], True),
        (deployment(1), ["here", "away"], True),
        (deployment(0), ["here", "away"], False),
    ],
)
def test_what_only_lacks_a_machine_that_is_away_is_held_up(
    made: Object, pods: list[str], *, expected: bool
) -> None:
    assert held_up(made, [pod(name) for name in pods], NODES) is expected


def node(name: str, *, ready: bool) -> Object:
    return obj("Node", name, None, status={"conditions": [{"type": "Ready", "status": str(ready)}]})


def rolled_out(*, away: bool, generation: int = 1) -> None:
    lagging = workload("StatefulSet", pinned("box2"), SEEN | {"replicas": 1}, generation=generation)
    api = FakeApi(lagging)
    api.objects |= {api.path(one): one for one in (node("box1", ready=True), node("box2", ready=not away))}
    run(api)


def test_a_rollout_goes_on_without_what_belongs_on_a_machine_that_is_away() -> None:
    rolled_out(away=True)
    with pytest.raises(KubeError, match="Not ready after"):
        rolled_out(away=False)


def test_a_change_that_nobody_has_seen_is_waited_for_all_the_same() -> None:
    with pytest.raises(KubeError, match="has not seen the change"):
        rolled_out(away=True, generation=2)
