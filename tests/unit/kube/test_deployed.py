"""What manifests carry of what the cluster runs."""

from __future__ import annotations

import base64
import importlib.util
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.deployed import deployed_images, deployed_token, token_digest
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi


def workload(name: str, image: str, namespace: str, **annotations: str) -> dict[str, Any]:
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"image": image}]}}
    return obj("StatefulSet", name, namespace, spec={"template": template})


def secret(token: str) -> dict[str, Any]:
    data = {"HF_TOKEN": base64.b64encode(token.encode()).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hf-token", "namespace": "data-miner"},
    } | {"data": data}


@pytest.fixture
def cluster() -> Cluster:
    path = CHECKOUT / "inventory" / "production" / "cluster_config.yaml"
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


def test_the_images_of_both_namespaces_are_found_where_their_ids_are_known(cluster: Cluster) -> None:
    key = "data-miner/image-id"
    api = FakeApi(
        workload("master", "weed:1", "seaweedfs", **{key: "sha256:a"}),
        workload("download-worker", "data-miner:1", "data-miner", **{key: "sha256:b"}),
        workload("postgres", "postgres:16", "data-miner"),
    )
    assert deployed_images(api, cluster) == {"weed:1": "sha256:a", "data-miner:1": "sha256:b"}


def test_the_token_of_the_cluster_is_read_and_none_is_none() -> None:
    assert deployed_token(FakeApi(secret("hf_one")), "data-miner") == "hf_one"
    assert deployed_token(FakeApi(), "data-miner") == ""


@pytest.mark.parametrize(("own", "token"), [("hf_two", "hf_two"), ("", "hf_one")])
def test_a_token_of_the_operator_counts_before_that_of_the_cluster(
    cluster: Cluster, own: str, token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    spec = importlib.util.spec_from_file_location("lookup", CHECKOUT / "lookup_plugins" / "token_digest.py")
    assert spec
    assert spec.loader
    plugin: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    monkeypatch.setattr(plugin, "secret", lambda *_: own)
    monkeypatch.setattr(plugin, "Api", lambda *_, **__: FakeApi(secret("hf_one")))
    (tmp_path / "kubeconfig").touch()
    with_state = cluster.model_copy(update={"state_dir": str(tmp_path)})
    assert plugin.digest(with_state) == token_digest(token, cluster.name)
    without_workers = with_state.model_copy(update={"workers": {}})
    assert plugin.digest(without_workers) == ""
