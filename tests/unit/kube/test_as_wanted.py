"""One look tells whether the tasks that apply would find anything to do; in doubt it leaves that to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from miner_cluster.in_process import module
from miner_cluster.kube.api import ApiError
from miner_cluster.kube.secrets import wanted_secret
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

CONFIG = obj("ConfigMap", "settings", data={"a": "1"})
DATABASE = wanted_secret("postgres", "data-miner", "lab", {"password": "hunter2"})
ASKED = {
    "kubeconfig": "/nowhere",
    "objects": [NAMESPACE, CONFIG],
    "phases": ["namespace", "workers"],
    "namespaces": ["data-miner"],
    "instance": "lab",
    "secrets": {"postgres": {"password": "hunter2"}, "hf-token": {}},
    "mounts": False,
}


def as_wanted(monkeypatch: pytest.MonkeyPatch, api: FakeApi, **changes: Any) -> bool:
    for name in ("kube_diff", "kube_secret", "kube_mounts"):
        monkeypatch.setattr(module(name), "Api", lambda _: api)
    before = dict(api.objects)
    result = module("kube_as_wanted").run(ASKED | changes, check=False)
    assert api.objects == before
    assert not result["changed"]
    return bool(result["as_wanted"])


def change(api: FakeApi) -> None:
    api.objects[api.path(CONFIG)]["data"] = {"a": "2"}


def remove(api: FakeApi) -> None:
    del api.objects[api.path(CONFIG)]


def leave_over(api: FakeApi) -> None:
    other = obj("ConfigMap", "of-before")
    api.objects[api.path(other)] = other


def change_secret(api: FakeApi) -> None:
    api.objects[api.path(DATABASE)]["data"] = {}


def leave_secret(api: FakeApi) -> None:
    token = wanted_secret("hf-token", "data-miner", "lab", {"HF_TOKEN": "x"})
    api.objects[api.path(token)] = token


def refuse(api: FakeApi) -> None:
    api.refusals[api.path(CONFIG)] = ApiError(403, "Forbidden", "no")


def test_where_all_is_there_nothing_is_left_to_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_wanted(monkeypatch, FakeApi(NAMESPACE, CONFIG, DATABASE))


@pytest.mark.parametrize("event", [change, remove, leave_over, change_secret, leave_secret, refuse])
def test_any_difference_or_doubt_is_left_to_the_tasks_that_apply(
    monkeypatch: pytest.MonkeyPatch, event: Callable[[FakeApi], None]
) -> None:
    api = FakeApi(NAMESPACE, CONFIG, DATABASE)
    event(api)
    assert not as_wanted(monkeypatch, api)


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ({"changed": False, "away": []}, True),
        ({"changed": True, "away": []}, False),
        ({"changed": False, "away": ["node-b"]}, False),
    ],
)
def test_mounts_count_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], same: bool
) -> None:
    monkeypatch.setattr(module("kube_mounts"), "run", lambda *_, **__: found)
    api = FakeApi(NAMESPACE, CONFIG, DATABASE)
    assert as_wanted(monkeypatch, api, mounts=True) == same
    assert as_wanted(monkeypatch, api)
