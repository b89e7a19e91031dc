"""Whether workers can be rolled before the database's schema was looked after."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.api import Object
from miner_cluster.kube.schema_kept import schema_kept
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi

#: by the image's ID; of the last nothing is known
SCHEMAS = {"sha256:one": "first", "sha256:two": "first", "sha256:models": "first", "sha256:newer": "second"}


@pytest.fixture
def cluster() -> Cluster:
    path = CHECKOUT / "inventory" / "lab" / "cluster_config.yaml"
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


def workload(name: str, image_id: str | None, kind: str = "Deployment") -> Object:
    annotations = {"data-miner/image-id": image_id} if image_id else {}
    template: dict[str, Any] = {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"image": "data-miner:lab"}]},
    }
    made = obj(kind, name, spec={"template": template})
    made["metadata"]["labels"] |= {"app.kubernetes.io/component": "worker"}
    return made


def kept(cluster: Cluster, image_id: str, *workloads: Object) -> bool:
    images = {"data-miner:lab": image_id, "data-miner-models:lab": "sha256:models"}
    return schema_kept(FakeApi(*workloads), cluster, images, SCHEMAS.get)


def test_another_image_with_the_same_schema_keeps_it(cluster: Cluster) -> None:
    download = workload("download-worker", "sha256:one", "StatefulSet")
    assert kept(cluster, "sha256:two", download, workload("monitor-worker", "sha256:models"))


@pytest.mark.parametrize("image_id", ["sha256:newer", "sha256:unknown"])
def test_another_schema_and_one_that_is_not_known_are_waited_for(cluster: Cluster, image_id: str) -> None:
    assert not kept(cluster, image_id, workload("extract-worker", "sha256:one"))


@pytest.mark.parametrize("image_id", ["sha256:newer", "sha256:unknown", None])
def test_a_single_worker_that_may_have_another_schema_is_enough(
    cluster: Cluster, image_id: str | None
) -> None:
    others = workload("extract-worker", "sha256:one")
    assert not kept(cluster, "sha256:two", others, workload("download-worker", image_id, "StatefulSet"))


def test_before_the_first_deployment_nothing_is_kept(cluster: Cluster) -> None:
    assert not kept(cluster, "sha256:one")


def test_an_image_whose_id_is_not_known_is_in_doubt(cluster: Cluster) -> None:
    api = FakeApi(workload("extract-worker", "sha256:one"))
    assert not schema_kept(api, cluster, {"data-miner:lab": "sha256:one"}, SCHEMAS.get)
