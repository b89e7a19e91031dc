"""What is told from the server's notes is what applying would do, or nothing is told."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.kube.api import FIELD_MANAGER
from miner_cluster.kube.applied import is_applied

WANTED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "w", "namespace": "n", "labels": {"a": "1"}},
    "spec": {
        "selector": {"matchLabels": {"a": "1"}},
        "template": {
            "spec": {
                "containers": [
                    {"name": "one", "args": ["x", "y"], "ports": [{"containerPort": 80}]},
                    {"name": "two", "env": [{"name": "E", "value": "1"}]},
                ],
                "volumes": [{"name": "v", "emptyDir": {}}],
            }
        },
    },
}
NAMES = {("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace")}
NOTE: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:a": {}}},
    "f:spec": {
        "f:selector": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"one"}': {
                        ".": {},
                        "f:name": {},
                        "f:args": {},
                        "f:ports": {
                            'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
                        },
                    },
                    'k:{"name":"two"}': {
                        ".": {},
                        "f:name": {},
                        "f:env": {'k:{"name":"E"}': {".": {}, "f:name": {}, "f:value": {}}},
                    },
                },
                "f:volumes": {'k:{"name":"v"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
            }
        },
    },
}


def present(note: dict[str, Any] = NOTE, **entry: Any) -> dict[str, Any]:
    """Return the object as the API has it: with what the server fills in, and its note."""
    obj = copy.deepcopy(WANTED)
    spec = obj["spec"]["template"]["spec"]
    spec["containers"][0]["ports"][0]["protocol"] = "TCP"
    spec["restartPolicy"] = "Always"
    obj["metadata"]["managedFields"] = [
        {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": note} | entry,
        {"manager": "k3s", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    return obj


def containers(obj: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = obj["spec"]["template"]["spec"]["containers"]
    return found


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the paths of all that is in an object, but what every object has."""
    if path and path not in NAMES:
        yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, below in children:
        yield from places(below, (*path, name))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def test_what_was_applied_and_still_is_so_needs_no_asking() -> None:
    assert is_applied(WANTED, present())


@given(st.sampled_from(list(places(WANTED))))
def test_nothing_can_be_left_out_unnoticed(path: tuple[str | int, ...]) -> None:
    changed = copy.deepcopy(WANTED)
    del at(changed, path[:-1])[path[-1]]
    assert not is_applied(changed, present())


@given(
    st.sampled_from(list(places(WANTED))), st.sampled_from(["other", 7, True, None, {"new": "x"}, ["new"]])
)
def test_nothing_can_become_something_else_unnoticed(path: tuple[str | int, ...], value: Any) -> None:
    changed = copy.deepcopy(WANTED)
    at(changed, path[:-1])[path[-1]] = value
    assert not is_applied(changed, present())


@given(st.sampled_from([path for path in places(WANTED) if isinstance(at(WANTED, path), dict)]))
def test_nothing_can_be_added_unnoticed(path: tuple[str | int, ...]) -> None:
    changed = copy.deepcopy(WANTED)
    at(changed, path)["new"] = "x"
    assert not is_applied(changed, present())


@given(st.sampled_from(list(places(WANTED))))
def test_what_somebody_changed_in_the_cluster_is_noticed(path: tuple[str | int, ...]) -> None:
    changed = present()
    at(changed, path[:-1])[path[-1]] = "other"
    assert not is_applied(WANTED, changed)


def test_the_order_of_items_counts_and_items_of_others_do_not() -> None:
    turned = copy.deepcopy(WANTED)
    containers(turned).reverse()
    assert not is_applied(turned, present())
    injected = present()
    containers(injected).insert(1, {"name": "of somebody else"})
    assert is_applied(WANTED, injected)


def test_a_value_of_another_type_is_another_value() -> None:
    wanted, there = copy.deepcopy(WANTED), present()
    wanted["metadata"]["labels"]["a"] = 1
    there["metadata"]["labels"]["a"] = True
    assert not is_applied(wanted, there)


@pytest.mark.parametrize(
    "entry", [{"manager": "kubectl"}, {"operation": "Update"}, {"subresource": "status"}, {"fieldsV1": {}}]
)
def test_without_a_note_of_ours_nothing_is_told(entry: dict[str, Any]) -> None:
    assert not is_applied(WANTED, present(**entry))


def test_items_that_are_values_are_told_apart_by_them() -> None:
    note: dict[str, Any] = {"f:metadata": {"f:finalizers": {'v:"a"': {}, 'v:"b"': {}}}}
    there = {
        "metadata": {
            "finalizers": ["a", "x", "b"],
            "managedFields": [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": note}],
        }
    }
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "finalizers": ["a", "b"]}}
    assert is_applied(wanted, there)
    wanted["metadata"] = {"name": "c", "finalizers": ["b", "a"]}
    assert not is_applied(wanted, there)
