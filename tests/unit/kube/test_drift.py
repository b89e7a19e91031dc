"""Where the cluster is not as it is rendered, in sentences."""

from __future__ import annotations

import copy
from typing import Any

from miner_cluster.kube.drift import drift, in_words
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

WANTED = [NAMESPACE, obj("StatefulSet", "download-worker", spec={"replicas": 3, "serviceName": "x"})]


def sentences(*present: dict[str, Any]) -> list[str]:
    return drift(FakeApi(*present), WANTED, ["workers", "namespace"], ["data-miner"])


def test_a_cluster_that_is_as_rendered_has_none() -> None:
    assert sentences(*WANTED) == []


def test_what_kubectl_scale_changed_is_named_with_both_numbers() -> None:
    scaled = copy.deepcopy(WANTED[1])
    scaled["spec"]["replicas"] = 6
    assert sentences(NAMESPACE, scaled) == [
        "StatefulSet data-miner/download-worker: spec.replicas is 6, not 3"
    ]


def test_what_is_missing_and_what_is_too_much_are_named() -> None:
    assert sentences(NAMESPACE, obj("Deployment", "detect-worker")) == [
        "StatefulSet data-miner/download-worker is missing",
        "Deployment data-miner/detect-worker is not wanted any more",
    ]


def test_many_changes_are_counted_and_long_values_cut() -> None:
    before = {"spec": dict.fromkeys("abcdef", 1) | {"list": [{"x": 1}]}}
    after = {"spec": dict.fromkeys("abcdef", "y" * 99) | {"list": [{"x": 2}]}}
    sentence = in_words("Deployment a/b", before, after)
    assert sentence.startswith("Deployment a/b: spec.a is 1, not yyy")
    assert sentence.endswith("… and 3 more")
    assert in_words("D", {"l": [{"x": 1}]}, {"l": [{"x": 2}]}) == "D: l.0.x is 1, not 2"
    assert in_words("D", {"l": [1]}, {}) == "D: l is [1], not unset"


def test_things_with_names_are_told_by_them_and_texts_of_lines_are_not_shown() -> None:
    before = {"env": [{"name": "MORE", "value": "1"}, {"name": "SAME", "value": "2"}], "text": "a\nb"}
    after = {"env": [{"name": "SAME", "value": "2"}], "text": "a\nc"}
    assert (
        in_words("D", before, after)
        == "D: env.MORE is {'name': 'MORE', 'value': '1'}, not unset, text differs"
    )
