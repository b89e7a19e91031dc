"""Cluster files to test with: one that is right, and ways to make it wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader, lookup_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from miner_cluster.cluster import CHECKOUT, Cluster, as_cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file

GOOD = """\
cluster:
  name: test
  namespace: data-miner
  k3s_version: v1.31.0+k3s1
  nodes:
    one: {ip: 192.0.2.1, role: master, disk_limit_mb: 50000}
    two: {ip: 192.0.2.2, role: worker, disk_limit_mb: 100000}
    three: {ip: 192.0.2.3, role: worker, storage_only: true}
run_config: run_configs/demo.yaml
storage:
  seaweedfs_mount: /swdfs_mnt/swshared
  db_path: /data/data_miner_db
image:
  name: data-miner
  tag: "1.0"
seaweedfs:
  namespace: seaweedfs
  image: chrislusf/seaweedfs:4.48
  data_dir: /data/seaweed
  default_disk_limit_mb: 0
  volume_size_limit_mb: 1024
resource_presets:
  small: {cpu: 250m-1000m, memory: 512Mi-2Gi}
  medium: {cpu: 500m-2000m, memory: 1Gi-4Gi}
  gpu: {cpu: 500m-2000m, memory: 2Gi-8Gi}
workers:
  download: {kind: StatefulSet, replicas: 3, schedule_on: all}
  extract: {replicas: 2, schedule_on: master}
  filter: {replicas: 1, schedule_on: gpu, hf_token: true}
  monitor: {replicas: 1, schedule_on: master}
infrastructure:
  postgres: {kind: StatefulSet, image: "postgres:16", port: 5432}
k3s_app_overrides:
  output_dir: ${storage.seaweedfs_mount}/out
  device: auto
"""

Write = Callable[[str], Path]
Load = Callable[[str], Cluster]
Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a cluster_config.yaml and return its path."""

    def make(text: str) -> Path:
        path = tmp_path / "somewhere" / "cluster_config.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return make


@pytest.fixture
def load(write: Write) -> Load:
    """Load a cluster from text."""

    def make(text: str) -> Cluster:
        path = write(text)
        return resolve_cluster(load_cluster_file(path).file, config_file=path)

    return make


@pytest.fixture(scope="session")
def render() -> Render:
    """Render a cluster's objects with the lookup plugin, as playbooks do."""
    if not AnsibleCollectionConfig.collection_finder:
        init_plugin_loader([])
    lookup_loader.add_directory(str(CHECKOUT / "lookup_plugins"))
    filter_loader.add_directory(str(CHECKOUT / "filter_plugins"))

    def make(
        cluster: Cluster,
        *phases: str,
        images: dict[str, str] | None = None,
        token_digest: str = "",
        storage_digests: dict[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        loader = DataLoader()
        plugin = lookup_loader.get("manifests", loader=loader, templar=Templar(loader=loader))
        objects: list[dict[str, Any]] = plugin.run(
            list(phases),
            variables={},
            cluster=cluster.plain(),
            images=images or {},
            token_digest=token_digest,
            storage_digests=storage_digests or {},
        )
        return objects

    return make


def lab() -> Cluster:
    """Return the default lab."""
    path = CHECKOUT / "inventory" / "lab" / "cluster_config.yaml"
    return as_cluster(resolve_cluster(load_cluster_file(path).file, config_file=path).plain())
