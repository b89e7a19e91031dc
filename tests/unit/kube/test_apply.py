"""Applying: each object once, in order; a refusal in words; nothing under check mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.kube.api import ApiError, KubeError, Object
from miner_cluster.kube.apply import apply
from miner_cluster.kube.waiting import Wait
from tests.modules import load_module
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

CONFIG, SERVICE = obj("ConfigMap", "config", data={"a": "1"}), obj("Service", "web", spec={"ports": []})


def test_each_object_is_applied_by_one_request_in_its_order() -> None:
    api = FakeApi()
    apply(api, [NAMESPACE, CONFIG, SERVICE], Wait())
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
        apply(api, [CONFIG, SERVICE], Wait())
    assert list(api.objects) == [api.path(CONFIG)]


def test_check_mode_says_what_would_be_applied_and_asks_nobody(tmp_path: Path) -> None:
    run = load_module("kube_apply").run
    asked = {"kubeconfig": str(tmp_path / "none"), "objects": [CONFIG]}
    assert run(asked, check=True) == {"changed": True, "applied": ["ConfigMap data-miner/config"]}
    assert run({**asked, "objects": []}, check=False) == {"changed": False, "applied": []}


TAKEN = ApiError(
    422, "Invalid", "spec.ports[0].nodePort: Invalid value: 30300: provided port is already allocated"
)


def page(name: str) -> Object:
    return obj("Service", name, spec={"ports": [{"port": 80, "nodePort": 30300}]})


def test_a_port_that_is_held_for_a_request_that_was_cut_off_is_waited_for() -> None:
    api, wanted = FakeApi(), page("grafana")
    path = api.path(wanted)
    api.refusals[path] = TAKEN
    said: list[str] = []
    now = iter(range(0, 1000, 6))

    def sleep(_: float) -> None:
        if len(said) == 3:
            del api.refusals[path]

    apply(api, [wanted], Wait(clock=lambda: float(next(now)), sleep=sleep, say=said.append))
    assert path in api.objects
    assert "port 30300 is held for a request that was cut off before" in said[0]


def test_a_port_that_somebody_else_has_is_not_waited_for() -> None:
    api = FakeApi(page("other"))
    api.refusals[api.path(page("grafana"))] = TAKEN
    with pytest.raises(KubeError, match="already allocated; that of Service data-miner/other"):
        apply(api, [page("grafana")], Wait(sleep=lambda _: pytest.fail("it waits")))


def test_a_port_that_stays_held_ends_in_words() -> None:
    api = FakeApi()
    api.refusals[api.path(page("grafana"))] = TAKEN
    now = iter(range(0, 100000, 60))
    with pytest.raises(KubeError, match=r"already allocated$"):
        apply(api, [page("grafana")], Wait(clock=lambda: float(next(now)), sleep=lambda _: None))
