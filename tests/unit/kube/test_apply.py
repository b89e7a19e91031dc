"""Applying: each object once, in order; a refusal in words; nothing under check mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.kube.api import ApiError, KubeError
from miner_cluster.kube.apply import apply
from tests.modules import load_module
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

CONFIG, SERVICE = obj("ConfigMap", "config", data={"a": "1"}), obj("Service", "web", spec={"ports": []})


def test_each_object_is_applied_by_one_request_in_its_order() -> None:
    api = FakeApi()
    apply(api, [NAMESPACE, CONFIG, SERVICE])
    assert [(method, path) for method, path, _ in api.requests] == [
        ("PATCH", api.path(one)) for one in (NAMESPACE, CONFIG, SERVICE)
    ]
    assert api.objects[api.path(CONFIG)]["data"] == {"a": "1"}


def test_a_refused_object_is_named_and_what_stands_before_it_is_applied() -> None:
    api = FakeApi()
    api.refusals[api.path(SERVICE)] = ApiError(422, "Invalid", "spec.ports: Required value")
    with pytest.raises(
        KubeError, match=r"^Service data-miner/web can't be applied: spec.ports: Required value$"
    ):
        apply(api, [CONFIG, SERVICE])
    assert list(api.objects) == [api.path(CONFIG)]


def test_check_mode_says_what_would_be_applied_and_asks_nobody(tmp_path: Path) -> None:
    run = load_module("kube_apply").run
    asked = {"kubeconfig": str(tmp_path / "none"), "objects": [CONFIG]}
    assert run(asked, check=True) == {"changed": True, "applied": ["ConfigMap data-miner/config"]}
    assert run({**asked, "objects": []}, check=False) == {"changed": False, "applied": []}
