"""A namespace is not taken from anybody, and nothing of ours starts a second time under another name."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.kube.api import KubeError
from miner_cluster.kube.diff import compare
from tests.unit.kube.conftest import NAMESPACE, obj
from tests.unit.kube.fake_api import FakeApi

RENAMED = obj("Namespace", "miner", None, phase="namespace")
POSTGRES = obj("StatefulSet", "postgres", phase="infrastructure")


def plain(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "a"}}}


def test_a_namespace_of_somebody_else_is_not_taken() -> None:
    api = FakeApi(plain("data-miner"))
    with pytest.raises(KubeError, match=r"Namespace data-miner is there.*another namespace in cluster"):
        compare(api, [NAMESPACE])
    assert {request[0] for request in api.requests} == {"GET"}


def test_a_renamed_namespace_is_refused_while_the_old_one_runs() -> None:
    with pytest.raises(KubeError) as caught:
        compare(FakeApi(NAMESPACE, POSTGRES), [RENAMED])
    assert "in data-miner there is still StatefulSet data-miner/postgres" in str(caught.value)
    assert "Write data-miner back into cluster_config.yaml" in str(caught.value)
    assert "teardown.yml --tags deploy" in str(caught.value)


def test_a_renamed_namespace_of_the_shared_storage_is_refused_too() -> None:
    old = obj("Namespace", "seaweedfs", None, phase="seaweedfs")
    filer = obj("StatefulSet", "filer", "seaweedfs", phase="seaweedfs")
    api = FakeApi(NAMESPACE, POSTGRES, old, filer)
    with pytest.raises(KubeError, match="StatefulSet seaweedfs/filer"):
        compare(api, [obj("Namespace", "weed", None, phase="seaweedfs")])
    assert compare(api, [NAMESPACE, old]).objects == []


def test_an_old_namespace_in_which_nothing_is_left_is_in_nobodys_way() -> None:
    assert compare(FakeApi(NAMESPACE, obj("ConfigMap", "config")), [RENAMED]).objects == [RENAMED]


def test_another_cluster_of_the_same_kind_is_in_nobodys_way() -> None:
    other = obj("Namespace", "theirs", None, phase="namespace")
    other["metadata"]["labels"]["app.kubernetes.io/instance"] = "other"
    database = obj("StatefulSet", "postgres", "theirs")
    assert compare(FakeApi(other, database), [RENAMED]).objects == [RENAMED]
