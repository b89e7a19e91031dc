"""What applying would change: found by asking, shown without secrets, refused in words."""

from __future__ import annotations

import pytest

from miner_cluster.kube.api import ApiError, KubeError
from miner_cluster.kube.diff import Change, compare, shown
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi


def test_what_is_there_already_makes_no_difference() -> None:
    config = obj("ConfigMap", "config", data={"a": "1"})
    found = compare(FakeApi(NAMESPACE, config), [NAMESPACE, config])
    assert (found.objects, found.shown, found.terminating) == ([], [], [])


def test_a_changed_value_and_a_new_object_differ_and_are_shown() -> None:
    old, new = obj("ConfigMap", "config", data={"a": "1"}), obj("ConfigMap", "config", data={"a": "2"})
    added = obj("Service", "web", spec={"ports": []})
    found = compare(FakeApi(NAMESPACE, old), [NAMESPACE, new, added])
    assert found.objects == [new, added]
    assert [item["before_header"] for item in found.shown] == [
        "ConfigMap data-miner/config",
        "Service data-miner/web",
    ]
    assert "a: '1'" in found.shown[0]["before"]
    assert found.shown[1]["before"] == ""


def test_looking_changes_nothing() -> None:
    api = FakeApi(NAMESPACE)
    compare(api, [obj("ConfigMap", "config", data={"a": "1"})])
    assert list(api.objects) == ["/api/v1/namespaces/data-miner"]


def test_objects_of_a_namespace_that_comes_along_are_new() -> None:
    config = obj("ConfigMap", "config")
    assert compare(FakeApi(), [NAMESPACE, config]).objects == [NAMESPACE, config]


def test_without_its_namespace_an_object_says_what_to_run() -> None:
    with pytest.raises(KubeError, match=r"no namespace data-miner .* ansible-playbook site\.yml"):
        compare(FakeApi(), [obj("ConfigMap", "config")])


def test_what_is_being_deleted_is_waited_for_and_made_again() -> None:
    going = {**NAMESPACE, "metadata": {**NAMESPACE["metadata"], "deletionTimestamp": "now"}}
    found = compare(FakeApi(going), [NAMESPACE])
    assert found.terminating == found.objects == [NAMESPACE]


def test_a_job_that_gave_up_is_removed_and_made_again() -> None:
    job = obj("Job", "db-migrate", phase="infrastructure", spec={})
    gave_up = {**job, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    found = compare(FakeApi(NAMESPACE, gave_up), [job])
    assert found.terminating == found.objects == [job]
    tries = {**job, "status": {"failed": 1, "conditions": [{"type": "Failed", "status": "False"}]}}
    assert compare(FakeApi(NAMESPACE, tries), [job]).objects == []


def test_a_refusal_names_the_object() -> None:
    config = obj("ConfigMap", "config", data={"a": "1"})
    api = FakeApi(NAMESPACE, config)
    api.refusals[api.path(config)] = ApiError(422, "Invalid", "data: too long")
    with pytest.raises(KubeError, match="ConfigMap data-miner/config is refused: data: too long"):
        compare(api, [config])


def test_what_can_not_be_changed_in_place_says_how_to_go_on() -> None:
    database = obj("StatefulSet", "postgres", spec={})
    api = FakeApi(NAMESPACE, database)
    api.refusals[api.path(database)] = ApiError(422, "Invalid", "spec.selector: field is immutable")
    with pytest.raises(KubeError, match="kubectl -n data-miner delete StatefulSet postgres"):
        compare(api, [database])


def test_values_of_secrets_are_never_shown() -> None:
    secret = obj("Secret", "postgres", data={"password": "aHVudGVyMg=="})
    assert "aHVudGVyMg" not in str(shown(Change(obj=secret, before=None, after=secret)))


def test_a_number_of_pods_that_is_left_to_others_stays_also_where_we_set_it_before() -> None:
    free = obj("Deployment", "extract-worker", spec={"paused": True})
    found = compare(FakeApi(NAMESPACE, obj("Deployment", "extract-worker", spec={"replicas": 7})), [free])
    assert [one["spec"] for one in found.objects] == [{"replicas": 7, "paused": True}]
