"""Which nodes a pod may come to."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.placement import waits_for
from tests.unit.kube.test_draining import box, pod


def affinity(operator: str, *values: str) -> dict[str, Any]:
    wanted = {"key": "site", "operator": operator, "values": list(values)}
    required = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


@pytest.mark.parametrize(
    ("spec", "waits"),
    [
        ({}, False),
        ({"nodeSelector": {"site": "north"}}, True),
        ({"nodeSelector": {"site": "south"}}, False),
        (affinity("In", "north"), True),
        (affinity("In", "north", "south"), False),
        (affinity("NotIn", "south"), True),
        (affinity("Exists"), False),
        (affinity("DoesNotExist"), False),
    ],
)
def test_a_pod_waits_for_a_node_where_no_other_is_for_it(spec: dict[str, Any], *, waits: bool) -> None:
    one = pod("one")
    one["spec"] = spec
    assert waits_for(one, "box2", [box("box2", site="north"), box("box3", site="south")]) is waits


@pytest.mark.parametrize("other", [box("box3", closed=True), box("box3", ready=False)])
def test_a_node_that_takes_no_pods_is_none(other: dict[str, Any]) -> None:
    assert waits_for(pod("one"), "box2", [box("box2"), other])


@pytest.mark.parametrize(
    ("toleration", "waits"),
    [
        (None, True),
        ({"operator": "Exists"}, False),
        ({"key": "dedicated", "value": "mining"}, False),
        ({"key": "dedicated", "value": "mining", "effect": "NoExecute"}, True),
        ({"key": "dedicated", "value": "else"}, True),
        ({"key": "dedicated", "operator": "Exists"}, False),
    ],
)
def test_a_taint_keeps_away_who_does_not_tolerate_it(
    toleration: dict[str, str] | None, *, waits: bool
) -> None:
    one, tainted = pod("one"), box("box3")
    one["spec"]["tolerations"] = [toleration] if toleration else []
    tainted["spec"]["taints"] = [{"key": "dedicated", "value": "mining", "effect": "NoSchedule"}]
    assert waits_for(one, "box2", [box("box2"), tainted]) is waits
