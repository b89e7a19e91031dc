"""What status learns from Grafana's health."""

from __future__ import annotations

import json

import pytest

from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.api import ApiError
from miner_cluster.kube.grafana_health import grafana_problems
from tests.unit.kube.fake_api import FakeApi

PATH = "/api/v1/namespaces/data-miner/services/grafana:grafana/proxy/api/health"


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


def test_a_healthy_grafana_is_no_problem(cluster: Cluster) -> None:
    api = Answering()
    assert grafana_problems(api, cluster) == []
    assert [path for _, path, _ in api.requests] == [PATH]


def test_what_fails_is_told_in_its_own_words(cluster: Cluster) -> None:
    api = Answering(ApiError(503, "", "Errors, Dead letters: the result is empty"))
    assert grafana_problems(api, cluster) == [
        "Grafana is not well: Errors, Dead letters: the result is empty"
    ]


@pytest.mark.parametrize("replicas", [None, 0])
def test_a_cluster_without_grafana_is_not_asked(cluster: Cluster, replicas: int | None) -> None:
    services = dict(cluster.infrastructure)
    grafana = services.pop("grafana")
    if replicas is not None:
        services["grafana"] = grafana.model_copy(update={"replicas": replicas})
    api = Answering()
    assert grafana_problems(api, cluster.model_copy(update={"infrastructure": services})) == []
    assert api.requests == []
