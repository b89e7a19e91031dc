"""Which Kubernetes objects a cluster consists of: a plan of templates, the files they make, and their inputs.

The plan is pure. Templates only place values; whatever must be computed is computed here or in a filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from miner_cluster import pods
from miner_cluster.app_config import MinerConfig
from miner_cluster.cluster import Cluster, ResolvedWorker
from miner_cluster.manifest_item import (
    CONFIG_MAP,
    DATABASE,
    WORKER_UID,
    Item,
    app_common,
    app_image,
    database_env,
    image_annotation,
)
from miner_cluster.manifests_infrastructure import infrastructure_items, infrastructure_policies
from miner_cluster.manifests_storage import storage_items

PHASES = ("seaweedfs", "namespace", "config", "policies", "infrastructure", "workers")
PLUGINS_CONFIG_MAP = "yt-dlp-plugins"
_CONFIG_DIR = "/etc/data-miner"
_PLUGINS_DIR = "/etc/data-miner-plugins"
#: after the workers' own grace, for the interpreter to end
_GRACE_S = 10


def plan(cluster: Cluster, config: MinerConfig, images: Mapping[str, str]) -> list[Item]:
    """Return every object of a cluster.

    Args:
        cluster: the resolved configuration.
        config: of the application.
        images: of each image reference the ID under which the nodes have it. Pod templates carry it, so that
            a new image rolls exactly the pods that use it; references that are missing here carry none.
    """
    return [
        *storage_items(cluster, images),
        *_namespace(cluster),
        *_config(cluster, config),
        *_policies(cluster),
        *infrastructure_policies(cluster),
        *infrastructure_items(cluster, images),
        *_workers(cluster, config, images),
    ]


def _namespace(cluster: Cluster) -> Iterator[Item]:
    shared = app_common(cluster, "namespace", cluster.namespace, "namespace")
    yield Item(
        phase="namespace",
        template="namespace/namespace.yaml.j2",
        path="namespace.yaml",
        vars=shared,
        key="cluster.namespace",
    )


def _config(cluster: Cluster, config: MinerConfig) -> Iterator[Item]:
    host = f"postgres.{cluster.namespace}.svc.cluster.local"
    data = {"config.yaml": config.text}
    if postgres := cluster.infrastructure.get("postgres"):
        data["DATABASE_URL"] = f"postgresql://postgres@{host}:{postgres.port}/{DATABASE}"
    if loki := cluster.infrastructure.get("loki"):
        data["LOKI_URL"] = f"http://loki.{cluster.namespace}.svc.cluster.local:{loki.port}"
    yield Item(
        phase="config",
        template="config/configmap.yaml.j2",
        path="config/configmap.yaml",
        vars=app_common(cluster, "config", CONFIG_MAP, "config") | {"data": data},
        key="k3s_app_overrides",
    )
    if config.plugins:
        yield Item(
            phase="config",
            template="config/configmap.yaml.j2",
            path="config/yt-dlp-plugins-configmap.yaml",
            vars=app_common(cluster, "config", PLUGINS_CONFIG_MAP, "config") | {"data": config.plugins},
            key="yt_dlp_plugins",
        )


def _policies(cluster: Cluster) -> Iterator[Item]:
    yield Item(
        phase="policies",
        template="policies/default-deny.yaml.j2",
        path="policies/default-deny-networkpolicy.yaml",
        vars=app_common(cluster, "policies", "default-deny", "policy"),
        key="cluster.namespace",
    )


def _workers(cluster: Cluster, config: MinerConfig, images: Mapping[str, str]) -> Iterator[Item]:
    for stage, worker in cluster.workers.items():
        name = f"{stage}-worker"
        shared = app_common(cluster, "workers", name, "worker")
        yield Item(
            phase="workers",
            template="workers/worker.yaml.j2",
            path=f"workers/{stage}-{worker.kind.lower()}.yaml",
            vars=shared | _worker_vars(cluster, stage, worker, config, images),
            key=f"workers.{stage}",
        )
        if worker.kind == "StatefulSet":
            yield Item(
                phase="workers",
                template="workers/service.yaml.j2",
                path=f"workers/{stage}-service.yaml",
                vars=shared | {"port": config.typed.worker.port},
                key=f"workers.{stage}",
            )


def _worker_vars(
    cluster: Cluster, stage: str, worker: ResolvedWorker, config: MinerConfig, images: Mapping[str, str]
) -> dict[str, Any]:
    image = app_image(cluster)
    plugins = stage == "download" and bool(config.plugins)
    return {
        "stage": stage,
        "kind": worker.kind,
        "replicas": worker.replicas,
        "schedule_on": worker.schedule_on,
        "image": image,
        "pull_policy": cluster.image.pull_policy,
        "pod_annotations": {"data-miner/config-hash": config.digest} | image_annotation(images, image),
        "env": _worker_env(cluster, worker) | ({"PYTHONPATH": _PLUGINS_DIR} if plugins else {}),
        "uid": WORKER_UID,
        "port": config.typed.worker.port,
        "grace_s": int(config.typed.worker.shutdown_grace_s) + _GRACE_S,
        "preset": cluster.resource_presets[worker.preset].model_dump(),
        "config_map": CONFIG_MAP,
        "config_dir": _CONFIG_DIR,
        "plugins_config_map": PLUGINS_CONFIG_MAP if plugins else None,
        "plugins_dir": f"{_PLUGINS_DIR}/yt_dlp_plugins/extractor",
        "shared_dir": str(PurePosixPath(cluster.storage.seaweedfs_mount).parent),
    }


def _worker_env(cluster: Cluster, worker: ResolvedWorker) -> dict[str, pods.EnvValue]:
    values = database_env()
    values["LOKI_URL"] = {"config_map": CONFIG_MAP, "key": "LOKI_URL", "optional": True}
    values["DATA_MINER_CONFIG"] = f"{_CONFIG_DIR}/config.yaml"
    values["DATA_MINER_SHARED_MOUNT"] = cluster.storage.seaweedfs_mount
    values["NODE_NAME"] = {"field": "spec.nodeName"}
    values["POD_NAME"] = {"field": "metadata.name"}
    if worker.hf_token:
        values["HF_TOKEN"] = {"secret": "hf-token", "key": "HF_TOKEN", "optional": True}
    return values
