"""What status learns from the health of Grafana and of the page."""

from __future__ import annotations

import json

import pytest

from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.api import ApiError
from miner_cluster.kube.service_health import service_problems
from tests.unit.kube.fake_api import FakeApi

SERVICES = "/api/v1/namespaces/data-miner/services"
PATH = f"{SERVICES}/grafana:grafana/proxy/api/health"
PAGE = f"{SERVICES}/monitor-page:monitor-page/proxy/healthz"


class Answering(FakeApi):
    """An API whose proxy gives one answer."""

    def __init__(self, error: ApiError | None = None) -> None:
        super().__init__()
        self.error = error

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        if self.error:
            raise self.error
        self.requests.append((method, path, content))
        return json.dumps({"body": body, **query}).encode()


@pytest.fixture
def cluster() -> Cluster:
    path = CHECKOUT / "inventory" / "lab" / "cluster_config.yaml"
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


def test_healthy_services_are_no_problem(cluster: Cluster) -> None:
    api = Answering()
    assert service_problems(api, cluster) == []
    assert [path for _, path, _ in api.requests] == [PATH, PAGE]


def test_what_fails_is_told_in_its_own_words(cluster: Cluster) -> None:
    api = Answering(ApiError(503, "", "Errors, Dead letters: the result is empty"))
    said = "is not well: Errors, Dead letters: the result is empty"
    assert service_problems(api, cluster) == [f"Grafana {said}", f"The pipeline's page {said}"]


@pytest.mark.parametrize("replicas", [None, 0])
def test_a_cluster_without_grafana_is_not_asked(cluster: Cluster, replicas: int | None) -> None:
    services = dict(cluster.infrastructure)
    grafana = services.pop("grafana")
    if replicas is not None:
        services["grafana"] = grafana.model_copy(update={"replicas": replicas})
    api = Answering()
    assert service_problems(api, cluster.model_copy(update={"infrastructure": services})) == []
    assert [path for _, path, _ in api.requests] == [PAGE]


@pytest.mark.parametrize("change", [{"node_port": None}, {"replicas": 0}])
def test_a_monitor_without_a_page_is_not_asked(cluster: Cluster, change: dict[str, int | None]) -> None:
    monitor = cluster.workers["monitor"].model_copy(update=change)
    api = Answering()
    other = cluster.model_copy(update={"workers": {**cluster.workers, "monitor": monitor}})
    assert service_problems(api, other) == []
    assert [path for _, path, _ in api.requests] == [PATH]
