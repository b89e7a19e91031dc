"""Taints: ours are reconciled, those of others stay, what both change is looked at again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.kube.api import Api, ApiError, KubeError
from miner_cluster.kube.node_taints import ANNOTATION, apply, gentle, plan, words

TAINTS = st.dictionaries(
    st.tuples(st.sampled_from(["dedicated", "zone"]), st.sampled_from(["NoSchedule", "NoExecute"])),
    st.sampled_from(["", "=a", "=b"]),
).map(lambda found: [f"{key}{value}:{effect}" for (key, effect), value in found.items()])


def node(taints: list[dict[str, Any]], annotation: str | None = None, version: str = "1") -> dict[str, Any]:
    annotations = {} if annotation is None else {ANNOTATION: annotation}
    meta = {"name": "n1", "annotations": annotations, "resourceVersion": version}
    return {"metadata": meta, "spec": {"taints": taints}}


def patched(old: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """The node after the change."""
    change = plan(old, wanted)
    return old if change is None else node(change.taints, json.dumps(change.owned))


def found(node: dict[str, Any]) -> set[str]:
    return {words(taint) for taint in node["spec"]["taints"]}


def names(taints: list[str]) -> set[tuple[str, str]]:
    """Key and effect, of which a node has each pair once."""
    return {(text.partition("=")[0].partition(":")[0], text.rpartition(":")[2]) for text in taints}


@given(TAINTS, TAINTS, TAINTS)
def test_taints_of_ours_follow_the_configuration_and_others_stay(
    others: list[str], first: list[str], second: list[str]
) -> None:
    foreign = [t for change in [plan(node([]), others)] if change for t in change.taints]
    # What others have under the same name, they have with the same value.
    value = {name: text for text in others for name in names([text])}
    first, second = (
        [value.get(name, text) for text in one for name in names([text])] for one in (first, second)
    )
    now = patched(patched(node(foreign), first), second)
    assert found(now) == {*others, *second}
    assert plan(now, second) is None
    assert found(patched(now, [])) == set(others)


def test_a_taint_of_others_with_another_value_is_refused_with_how_to_remove_it() -> None:
    theirs = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    with pytest.raises(
        KubeError, match=r"n1 has the taint dedicated=db:NoSchedule.*nodes n1 dedicated:NoSchedule-"
    ):
        plan(node([theirs]), ["dedicated=mining:NoSchedule"])
    ours = patched(node([]), ["dedicated=db:NoSchedule"])
    assert found(patched(ours, ["dedicated=mining:NoSchedule"])) == {"dedicated=mining:NoSchedule"}


def test_what_kubernetes_sets_by_itself_stays() -> None:
    own = {
        "key": "node.kubernetes.io/unreachable",
        "effect": "NoExecute",
        "timeAdded": "2026-11-26T00:00:00Z",
    }
    tainted = patched(node([own]), ["dedicated=mining:NoSchedule"])
    assert own in tainted["spec"]["taints"]
    assert patched(tainted, [])["spec"]["taints"] == [own]


def test_a_node_without_any_asks_for_nothing() -> None:
    assert plan({"metadata": {"name": "n1"}}, []) is None


EVICTING, KEEPING_AWAY = "dedicated=db:NoExecute", "zone=a:NoSchedule"


def labelled(taints: list[str]) -> dict[str, Any]:
    """A node that has been in the cluster for long, with taints of ours."""
    old = patched(node([]), taints)
    old["metadata"]["annotations"]["data-miner/labels"] = "[]"
    return old


def test_what_runs_is_not_evicted_before_it_may_tolerate_that() -> None:
    assert gentle(labelled([]), [EVICTING, KEEPING_AWAY]) == [KEEPING_AWAY]
    assert gentle(labelled(["dedicated=other:NoExecute"]), [EVICTING]) == []


def test_taints_that_evict_stay_where_they_are_and_come_to_new_nodes_at_once() -> None:
    assert gentle(labelled([EVICTING]), [EVICTING, KEEPING_AWAY]) == [EVICTING, KEEPING_AWAY]
    assert gentle(node([]), [EVICTING]) == [EVICTING]
    assert gentle({"metadata": {"name": "n1"}}, [EVICTING]) == [EVICTING]


class Changing(Api):
    """An API in which somebody else changes the node before our first change comes."""

    def __init__(self, now: dict[str, Any]) -> None:
        self.node, self.patches = now, 0

    def resource(self, api_version: str, kind: str) -> Any:
        class Nodes:
            @staticmethod
            def path(name: str) -> str:
                return name

        return Nodes

    def call(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        if method == "GET":
            return self.node
        self.patches += 1
        if body["metadata"]["resourceVersion"] != self.node["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        self.node = node(body["spec"]["taints"], body["metadata"]["annotations"][ANNOTATION], "3")
        return self.node


def test_what_was_changed_meanwhile_is_not_lost() -> None:
    before = node([])
    drained = node([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}], version="2")
    wanted = ["dedicated=mining:NoSchedule"]
    change = plan(before, wanted)
    assert change is not None
    api = Changing(drained)
    apply(api, change, wanted)
    assert api.patches == 2
    assert found(api.node) == {"node.kubernetes.io/unschedulable:NoSchedule", *wanted}


def test_a_refusal_for_another_reason_is_told() -> None:
    api = Changing(node([], version="2"))
    change = plan(node([]), ["dedicated:NoExecute"])
    assert change is not None

    def refuse(*_: Any, **__: Any) -> Any:
        raise ApiError(403, "Forbidden", "may not")

    api.call = refuse  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="may not"):
        apply(api, change, ["dedicated:NoExecute"])
