"""Labels: ours are reconciled, those of others stay; a node that can't be used is described."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.node_labels import ANNOTATION, plan, ready_nodes, trouble
from miner_cluster.kube.waiting import Wait

KEYS = st.sampled_from(["data-miner/role", "data-miner/gpu", "disk", "zone"])
LABELS = st.dictionaries(KEYS, st.sampled_from(["a", "b"]))


def node(labels: dict[str, str], annotation: str | None = None, **condition: str) -> dict[str, Any]:
    annotations = {} if annotation is None else {ANNOTATION: annotation}
    return {
        "metadata": {"name": "n1", "labels": labels, "annotations": annotations},
        "status": {"conditions": [{"type": "Ready", **condition}]},
    }


def patched(old: dict[str, Any], wanted: dict[str, str | None]) -> dict[str, Any]:
    """The node after the change."""
    change = plan(old, wanted)
    if change is None:
        return old
    labels = {**old["metadata"]["labels"], **change.labels}
    return node({k: v for k, v in labels.items() if v is not None}, json.dumps(change.owned))


@given(LABELS, LABELS, LABELS)
def test_labels_of_ours_follow_the_configuration_and_others_stay(
    others: dict[str, str], first: dict[str, str], second: dict[str, str]
) -> None:
    now = patched(patched(node(others), dict(first)), dict(second))
    labels = now["metadata"]["labels"]
    assert second.items() <= labels.items()
    assert all(labels[key] == value for key, value in others.items() if key not in {*first, *second})
    assert all(key not in labels for key in first if key not in second)
    assert plan(now, dict(second)) is None


def test_a_label_that_is_to_stay_is_neither_set_nor_removed() -> None:
    labelled = patched(node({}), {"data-miner/gpu": "true"})
    assert plan(labelled, {"data-miner/gpu": None}) is None
    assert plan(node({"data-miner/gpu": "true"}), {"data-miner/gpu": None}) is None


def test_a_broken_annotation_counts_as_none() -> None:
    change = plan(node({"zone": "a"}, "{nonsense"), {"zone": "a"})
    assert change is not None
    assert change.labels == {}
    assert change.owned == ["zone"]


def test_a_missing_node_is_named() -> None:
    assert trouble("n1", None).startswith("n1 has not joined the cluster")


def test_a_node_that_is_not_ready_is_named_with_its_own_words() -> None:
    broken = node({}, status="False", message="cni plugin not initialized")
    assert "n1 is not Ready: cni plugin not initialized" in trouble("n1", broken)
    assert trouble("n1", node({}, status="True")) == ""


class Away:
    """An API that answers only after some tries."""

    def __init__(self, tries: int) -> None:
        self.tries = tries

    def list(self, *_: str) -> list[dict[str, Any]]:
        self.tries -= 1
        if self.tries >= 0:
            raise KubeError("the API does not answer")
        return [node({}, status="True")]


def test_an_api_that_is_away_for_a_moment_is_waited_for() -> None:
    waiting = Wait(sleep=lambda _: None)
    assert list(ready_nodes(cast("Api", Away(3)), ["n1"], wait_s=60, waiting=waiting)) == ["n1"]
    with pytest.raises(KubeError, match="does not answer"):
        ready_nodes(cast("Api", Away(3)), ["n1"], wait_s=0, waiting=waiting)
