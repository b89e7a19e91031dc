"""What nothing renders any more goes; what somebody else made stays."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.absent import present, refuse_foreign, remove
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.prune import EMPTIED, delete, find_leftovers
from miner_cluster.kube.waiting import Wait
from tests.modules import load_module
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

KEPT, GONE = obj("Deployment", "extract-worker"), obj("Deployment", "detect-worker")
OTHER_PHASE = obj("Deployment", "grafana", phase="infrastructure")


def foreign(kind: str, name: str, namespace: str | None = "data-miner") -> dict[str, object]:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta}


def find(api: Api) -> list[str]:
    found = find_leftovers(api, [KEPT], ["workers"], ["data-miner"])
    return [item["metadata"]["name"] for item in found]


def test_only_our_objects_of_the_phase_that_are_not_wanted_are_left_over() -> None:
    assert find(FakeApi(KEPT, GONE, OTHER_PHASE, foreign("ConfigMap", "theirs"))) == ["detect-worker"]


def test_a_worker_of_another_kind_replaces_the_old_one() -> None:
    assert find(FakeApi(obj("StatefulSet", "extract-worker"))) == ["extract-worker"]


def test_what_a_controller_made_follows_its_owner() -> None:
    owned = obj("Job", "cron-1")
    owned["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "cron"}]
    assert find(FakeApi(owned)) == []


def test_a_phase_of_which_nothing_is_wanted_is_never_deleted_as_a_whole() -> None:
    database = obj("StatefulSet", "postgres", phase="infrastructure")
    with pytest.raises(KubeError) as caught:
        find_leftovers(FakeApi(KEPT, database), [KEPT], ["workers", "infrastructure"], ["data-miner"])
    message = str(caught.value)
    assert "Nothing is wanted of the phase infrastructure" in message
    assert "StatefulSet data-miner/postgres. Nothing was deleted" in message
    assert "kubectl -n data-miner delete" in message
    assert message.endswith("-l data-miner/phase=infrastructure")
    assert "extract-worker" not in message


@pytest.mark.parametrize("phases", [["namespace", "config", "policies"], ["infrastructure"], ["workers"]])
@pytest.mark.parametrize("module", ["kube_diff", "kube_rollout"])
def test_what_renders_to_nothing_prunes_nothing(
    module: str, phases: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_module(module)
    there = [obj("ConfigMap", f"of-{phase}", phase=phase) for phase in phases]
    api = FakeApi(NAMESPACE, *there)
    monkeypatch.setattr(loaded, "Api", lambda _: api)
    params = {"kubeconfig": "x", "objects": [], "phases": phases, "namespaces": ["data-miner"], "wait_s": 0}
    with pytest.raises(KubeError, match="Nothing was deleted"):
        loaded.run(params, check=False)
    assert {request[0] for request in api.requests} == {"GET"}


def test_where_there_is_nothing_of_a_phase_nothing_needs_to_be_wanted() -> None:
    assert find_leftovers(FakeApi(NAMESPACE), [], ["workers"], ["data-miner"]) == []


def test_a_server_of_the_shared_storage_is_deleted_only_once_it_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = obj("StatefulSet", "volume-box2", phase="workers")
    gone["metadata"]["labels"]["app.kubernetes.io/component"] = "volume"
    loaded, api = load_module("kube_rollout"), FakeApi(KEPT, GONE, gone)
    monkeypatch.setattr(loaded, "Api", lambda _: api)
    where: dict[str, Any] = {"kubeconfig": "x", "phases": ["workers"], "namespaces": ["data-miner"]}
    params = where | {"objects": [KEPT], "additions": [], "wait_s": 0}
    with pytest.raises(KubeError, match=r"volume-box2 holds files.*nothing was deleted.*--tags seaweedfs"):
        loaded.run(params, check=False)
    assert find(api) == ["detect-worker", "volume-box2"]
    api.objects[api.path(gone)]["metadata"]["annotations"] = {EMPTIED: "true"}
    assert "StatefulSet data-miner/volume-box2" in loaded.run(params, check=False)["removed"]
    assert find(api) == []


def test_secrets_and_namespaces_are_never_left_over() -> None:
    assert find(FakeApi(NAMESPACE, obj("Secret", "postgres"))) == []


def test_without_phases_nothing_is_looked_for() -> None:
    assert find_leftovers(FakeApi(GONE), [], [], ["data-miner"]) == []


def test_deleting_what_is_gone_already_is_no_error() -> None:
    api = FakeApi(GONE)
    assert delete(api, GONE)
    assert not delete(api, GONE)


def test_a_namespace_of_somebody_else_is_refused() -> None:
    found = present(FakeApi(foreign("Namespace", "data-miner", None)), [NAMESPACE])
    with pytest.raises(KubeError, match=r"Namespace data-miner was not made by these playbooks.*nothing was"):
        refuse_foreign(found)


def test_our_namespace_goes_and_twice_is_fine() -> None:
    api = FakeApi(NAMESPACE)
    found = present(api, [NAMESPACE])
    refuse_foreign(found)
    remove(api, found, timeout_s=1, waiting=Wait())
    assert present(api, [NAMESPACE]) == []


def test_a_namespace_that_does_not_end_names_the_pods_in_it() -> None:
    pod = obj("Pod", "download-worker-0", spec={"nodeName": "lab-agent-2"})
    api = FakeApi({**NAMESPACE, "metadata": {**NAMESPACE["metadata"], "deletionTimestamp": "now"}}, pod)
    now, said = iter(range(100)), list[str]()
    waiting = Wait(said.append, clock=lambda: float(next(now)), sleep=lambda _: None)
    found = present(api, [NAMESPACE])
    with pytest.raises(KubeError, match=r"(?s)Not gone after .*pod download-worker-0 on lab-agent-2"):
        remove(api, found, timeout_s=20, waiting=waiting)
    assert said
    assert "not gone yet: Namespace data-miner, pods download-worker-0" in said[0]


def test_pods_of_a_machine_that_is_away_are_not_waited_for() -> None:
    stuck, other = (obj("Pod", name, spec={"nodeName": name}) for name in ("away", "here"))
    ending = {**NAMESPACE, "metadata": {**NAMESPACE["metadata"], "deletionTimestamp": "now"}}
    api = FakeApi(ending, stuck, other)

    def time_passes(_: float) -> None:
        for item in (other, ending):  # pods end by themselves, and then the namespace
            api.objects.pop(api.path(item), None)

    found = present(api, [NAMESPACE])
    remove(api, found, timeout_s=60, waiting=Wait(sleep=time_passes), away=["away"])
    deleted = [path.rpartition("/")[2] for method, path, _ in api.requests if method == "DELETE"]
    assert deleted == ["away"]
