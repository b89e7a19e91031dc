"""Many objects of the API: found in few requests, and each workload with its own pods."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.kube.diff import compare
from miner_cluster.kube.many import LISTED, Pods, look_up
from miner_cluster.kube.prune import key
from miner_cluster.kube.rollout import not_settled, wait
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

READY = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1, "replicas": 1}
MANY = 100


def server(number: int, **status: Any) -> dict[str, Any]:
    name = f"volume-{number}"
    selector = {"matchLabels": {"app.kubernetes.io/name": name}}
    made = obj("StatefulSet", name, spec={"replicas": 1, "selector": selector}, status=READY | status)
    made["metadata"]["generation"] = 1
    return made


def test_what_exists_is_found_with_its_key_however_many_there_are() -> None:
    for count in (1, LISTED, LISTED + 1):
        wanted = [obj("Service", f"s{number}") for number in range(count)]
        api = FakeApi(*wanted[1:], obj("Service", "another"))
        assert set(look_up(api, wanted)) == {key(one) for one in wanted[1:]}


def test_many_objects_of_a_kind_are_found_in_one_request() -> None:
    wanted = [obj("Service", f"s{number}") for number in range(MANY)]
    api = FakeApi(*wanted)
    assert len(look_up(api, wanted)) == MANY
    assert len(api.requests) == 1


def test_the_few_objects_of_a_kind_are_not_looked_for_among_all_that_others_have() -> None:
    api = FakeApi(obj("Service", "s"))
    look_up(api, [obj("Service", "s"), obj("Service", "t")])
    assert {path.rpartition("/")[2] for _, path, _ in api.requests} == {"s", "t"}


def test_a_look_at_a_big_cluster_asks_as_often_as_one_at_a_small_one() -> None:
    def requests(count: int) -> int:
        servers = [server(number) for number in range(count)]
        api = FakeApi(*servers)
        assert not_settled(api, servers) == []
        wait(api, servers, timeout_s=5, waiting=Wait(sleep=lambda _: None))
        return len(api.requests)

    assert requests(MANY) == requests(2 * MANY)


def test_the_pods_of_many_workloads_are_asked_for_together() -> None:
    servers = [server(number, availableReplicas=0) for number in range(MANY)]
    api = FakeApi(*servers)

    def come_up(_: float) -> None:
        for one in servers:
            api.objects[api.path(one)]["status"] = READY

    wait(api, servers, timeout_s=5, waiting=Wait(sleep=come_up))
    assert len([path for _, path, _ in api.requests if path.endswith("/pods")]) == 1


def test_objects_that_are_new_ask_for_their_namespace_once() -> None:
    api = FakeApi(NAMESPACE)
    assert len(compare(api, [server(number) for number in range(MANY)]).objects) == MANY
    assert len([path for _, path, _ in api.requests if path == "/api/v1/namespaces/data-miner"]) == 1


labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"))


@given(labels.filter(bool), st.lists(st.tuples(st.sampled_from(["data-miner", "other"]), labels), max_size=8))
def test_a_workload_has_the_pods_that_its_selector_matches(
    selector: dict[str, str], carried: list[tuple[str, dict[str, str]]]
) -> None:
    pods = []
    for number, (namespace, own) in enumerate(carried):
        pod = obj("Pod", f"p{number}", namespace)
        pod["metadata"]["labels"] = own
        pods.append(pod)
    workload = obj("Deployment", "it", spec={"selector": {"matchLabels": selector}})
    found = Pods(pods).of(workload)
    assert found == [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == "data-miner"
        and selector.items() <= pod["metadata"]["labels"].items()
    ]
