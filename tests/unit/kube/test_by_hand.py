"""Fields that somebody added with kubectl go; what others and ourselves set, and a restart, stay."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.kube.api import ApiError, KubeError, Object
from miner_cluster.kube.by_hand import remove_additions, without_additions
from miner_cluster.kube.diff import compare
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

RESTARTED = "kubectl.kubernetes.io/restartedAt"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def note(manager: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, **more}


def deployment(spec: dict[str, Any], *notes: dict[str, Any]) -> Object:
    made = obj("Deployment", "extract-worker", spec=spec)
    made["metadata"]["managedFields"] = list(notes)
    return made


WANTED = obj("Deployment", "extract-worker", spec={"replicas": 2, "template": {"spec": {}}})
OURS = note("data-miner", {"f:spec": {"f:replicas": {}}})


def cleaned(spec: dict[str, Any], *notes: dict[str, Any], wanted: Object = WANTED) -> Any:
    found = without_additions(deployment(spec, OURS, *notes), wanted)
    return None if found is None else found["spec"]


def test_a_field_that_kubectl_edit_added_goes() -> None:
    edit = note("kubectl-edit", {"f:spec": {"f:paused": {}}})
    assert cleaned({"replicas": 2, "paused": True}, edit) == {"replicas": 2}


def test_a_field_that_we_render_stays_whoever_set_it_too() -> None:
    edit = note("kubectl-client-side-apply", {"f:spec": {"f:replicas": {}}})
    assert cleaned({"replicas": 2}, edit) is None


def test_a_field_of_a_controller_stays() -> None:
    other = note("kube-controller-manager", {"f:spec": {"f:paused": {}}})
    assert cleaned({"replicas": 2, "paused": True}, other) is None


def test_a_status_is_no_addition() -> None:
    edit = note("kubectl-edit", {"f:status": {"f:replicas": {}}}, subresource="status")
    assert cleaned({"replicas": 2}, edit) is None


def test_a_number_of_pods_that_is_left_to_others_stays() -> None:
    scale = note("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    mine = note("data-miner", {"f:spec": {"f:template": {}}})
    free = obj("Deployment", "extract-worker", spec={"template": {}})
    assert without_additions(deployment({"replicas": 7}, mine, scale), free) is None


@pytest.mark.parametrize("name", [RESTARTED, LAST_APPLIED])
def test_a_restart_and_what_kubectl_notes_for_itself_are_left_alone(name: str) -> None:
    below: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, f"f:{name}": {}}}}
    notes = below if name == LAST_APPLIED else {"f:spec": {"f:template": below}}
    annotated = {"metadata": {"annotations": {name: "x"}}}
    assert cleaned({"replicas": 2, "template": annotated}, note("kubectl-rollout", notes)) is None


def test_a_variable_that_was_added_to_a_container_goes_and_the_others_stay() -> None:
    containers = [
        {"name": "extract", "env": [{"name": "OURS", "value": "1"}, {"name": "MORE", "value": "2"}]}
    ]
    spec = {"replicas": 2, "template": {"spec": {"containers": containers}}}

    def notes(variable: str) -> dict[str, Any]:
        item: dict[str, Any] = {f'k:{{"name":"{variable}"}}': {".": {}, "f:name": {}, "f:value": {}}}
        container = {'k:{"name":"extract"}': {".": {}, "f:env": {".": {}, **item}}}
        return {"f:spec": {"f:template": {"f:spec": {"f:containers": container}}}}

    mine = note("data-miner", notes("OURS"))
    found = cleaned(spec, mine, note("kubectl-set", notes("MORE")))
    assert found["template"]["spec"]["containers"][0]["env"] == [{"name": "OURS", "value": "1"}]


def test_a_container_that_was_added_goes_as_a_whole() -> None:
    spec = {"template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}}

    def notes(name: str) -> dict[str, Any]:
        item: dict[str, Any] = {f'k:{{"name":"{name}"}}': {".": {}, "f:name": {}, "f:image": {}}}
        return {"f:spec": {"f:template": {"f:spec": {"f:containers": item}}}}

    found = cleaned(spec, note("data-miner", notes("a")), note("kubectl-edit", notes("b")))
    assert found["template"]["spec"]["containers"] == [{"name": "a", "image": "x"}]


def test_a_finalizer_that_was_added_goes() -> None:
    made = deployment(
        {"replicas": 2}, OURS, note("kubectl-edit", {"f:metadata": {"f:finalizers": {".": {}, 'v:"a"': {}}}})
    )
    made["metadata"]["finalizers"] = ["a"]
    found = without_additions(made, WANTED)
    assert found is not None
    assert not found["metadata"].get("finalizers")


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["kubectl-edit", "k3s", "data-miner"])))
def test_exactly_what_only_kubectl_set_is_removed(owners: dict[str, str]) -> None:
    spec = dict.fromkeys(owners, 1)
    notes = [note(owner, {"f:spec": {f"f:{name}": {}}}) for name, owner in owners.items()]
    found = without_additions(deployment(spec, *notes), WANTED)
    stay = {name for name, owner in owners.items() if owner != "kubectl-edit"}
    assert set(spec if found is None else found.get("spec", {})) == stay


def live(spec: dict[str, Any]) -> Object:
    return deployment(spec, OURS, note("kubectl-edit", {"f:spec": {"f:paused": {}}}))


class KeepsNotes(FakeApi):
    """An API server that keeps who set what when something is applied."""

    def _apply(self, path: str, body: Object, *, keep: bool) -> Object:
        after = copy.deepcopy(self.objects[path])
        after["spec"] |= body["spec"]
        return after


def test_an_addition_is_compared_shown_and_then_removed() -> None:
    api = KeepsNotes(NAMESPACE, live({"replicas": 2, "paused": True, "template": {"spec": {}}}))
    found = compare(api, [WANTED])
    assert (found.objects, found.additions) == ([], [WANTED])
    assert "paused: true" in found.shown[0]["before"]
    assert "paused" not in found.shown[0]["after"]
    assert remove_additions(api, [WANTED]) == [WANTED]
    assert compare(api, [WANTED]).additions == []


def test_a_number_that_is_left_to_others_survives_the_removal_of_something_else() -> None:
    scale = note("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    edit = note("kubectl-edit", {"f:spec": {"f:paused": {}}})
    present = deployment({"replicas": 7, "paused": True, "template": {}}, scale, edit)
    free = obj("Deployment", "extract-worker", spec={"template": {}})
    api = KeepsNotes(NAMESPACE, present)
    found = compare(api, [free])
    assert found.additions == [free]
    remove_additions(api, found.additions)
    assert api.objects[api.path(free)]["spec"] == {"replicas": 7, "template": {}}


def test_what_the_server_sets_by_default_again_is_no_difference() -> None:
    class Defaults(KeepsNotes):
        def raw(
            self, method: str, path: str, body: object = None, *, content: str = "", **query: str
        ) -> bytes:
            if method == "PUT" and isinstance(body, dict):
                body["spec"]["paused"] = True
            return super().raw(method, path, body, content=content, **query)

    api = Defaults(NAMESPACE, live({"replicas": 2, "paused": True, "template": {"spec": {}}}))
    assert compare(api, [WANTED]).additions == []


def test_a_refusal_says_what_was_tried() -> None:
    api = KeepsNotes(live({"replicas": 2, "paused": True, "template": {"spec": {}}}))
    api.refusals[api.path(WANTED)] = ApiError(422, "Invalid", "spec: wrong")
    with pytest.raises(KubeError, match="added by hand, and they can't be removed"):
        remove_additions(api, [WANTED])
