"""Which Kubernetes objects a cluster consists of: a plan of templates, the files they make, and their inputs.

The plan is pure. Templates only place values; whatever must be computed is computed here or in a filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from miner_cluster import pods
from miner_cluster.app_config import MinerConfig
from miner_cluster.cluster import Cluster, ResolvedInfrastructure, ResolvedWorker
from miner_cluster.manifest_item import Item, common, image_annotation
from miner_cluster.manifests_storage import storage_items

PHASES = ("seaweedfs", "namespace", "config", "policies", "infrastructure", "workers")
CONFIG_MAP = "data-miner-config"
PLUGINS_CONFIG_MAP = "yt-dlp-plugins"
DATABASE = "data_miner"
#: the user of the workers' image
WORKER_UID = 10001
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
        *_infrastructure(cluster, images),
        *_migration(cluster, images),
        *_workers(cluster, config, images),
    ]


def app_image(cluster: Cluster) -> str:
    """Return the reference of the workers' image."""
    return f"{cluster.image.name}:{cluster.image.tag}"


def _common(cluster: Cluster, phase: str, name: str, component: str) -> dict[str, Any]:
    return common(cluster, phase=phase, namespace=cluster.namespace, name=name, component=component)


def _namespace(cluster: Cluster) -> Iterator[Item]:
    shared = _common(cluster, "namespace", cluster.namespace, "namespace")
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
        vars=_common(cluster, "config", CONFIG_MAP, "config") | {"data": data},
        key="k3s_app_overrides",
    )
    if config.plugins:
        yield Item(
            phase="config",
            template="config/configmap.yaml.j2",
            path="config/yt-dlp-plugins-configmap.yaml",
            vars=_common(cluster, "config", PLUGINS_CONFIG_MAP, "config") | {"data": config.plugins},
            key="yt_dlp_plugins",
        )


def _policies(cluster: Cluster) -> Iterator[Item]:
    yield Item(
        phase="policies",
        template="policies/default-deny.yaml.j2",
        path="policies/default-deny-networkpolicy.yaml",
        vars=_common(cluster, "policies", "default-deny", "policy"),
        key="cluster.namespace",
    )
    if postgres := cluster.infrastructure.get("postgres"):
        yield Item(
            phase="policies",
            template="policies/postgres.yaml.j2",
            path="policies/postgres-networkpolicy.yaml",
            vars=_common(cluster, "policies", "postgres", "policy") | {"port": postgres.port},
            key="infrastructure.postgres",
        )


def _infrastructure(cluster: Cluster, images: Mapping[str, str]) -> Iterator[Item]:
    for name, service in cluster.infrastructure.items():
        shared = _common(cluster, "infrastructure", name, "infrastructure")
        yield Item(
            phase="infrastructure",
            template=f"infrastructure/{name}.yaml.j2",
            path=f"infrastructure/{name}-{service.kind.lower()}.yaml",
            vars=shared | _service_vars(cluster, name, service, images),
            key=f"infrastructure.{name}",
        )
        yield Item(
            phase="infrastructure",
            template="infrastructure/service.yaml.j2",
            path=f"infrastructure/{name}-service.yaml",
            vars=shared
            | {
                "port": service.port,
                "node_port": service.node_port,
                "headless": service.kind == "StatefulSet" and service.node_port is None,
            },
            key=f"infrastructure.{name}",
        )


def _service_vars(
    cluster: Cluster, name: str, service: ResolvedInfrastructure, images: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "kind": service.kind,
        "image": service.image,
        "replicas": service.replicas,
        "port": service.port,
        "preset": cluster.resource_presets[service.preset].model_dump(),
        "pod_annotations": image_annotation(images, service.image),
        "host": cluster.servers[0],
        "data_dir": f"{cluster.storage.db_path}/{name}",
        "database": DATABASE,
    }


def _migration(cluster: Cluster, images: Mapping[str, str]) -> Iterator[Item]:
    """The Job that brings the database's schema up to date: a new one for each image."""
    if "postgres" not in cluster.infrastructure or not cluster.workers:
        return
    image = app_image(cluster)
    suffix = f"-{images[image].removeprefix('sha256:')[:8]}" if image in images else ""
    yield Item(
        phase="infrastructure",
        template="infrastructure/db-migrate.yaml.j2",
        path="infrastructure/db-migrate-job.yaml",
        vars=_common(cluster, "infrastructure", f"db-migrate{suffix}", "migration")
        | {
            "image": image,
            "pull_policy": cluster.image.pull_policy,
            "pod_annotations": image_annotation(images, image),
            "env": _database_env(),
            "uid": WORKER_UID,
            "preset": cluster.resource_presets[cluster.infrastructure["postgres"].preset].model_dump(),
        },
        key="infrastructure.postgres",
    )


def _workers(cluster: Cluster, config: MinerConfig, images: Mapping[str, str]) -> Iterator[Item]:
    for stage, worker in cluster.workers.items():
        name = f"{stage}-worker"
        shared = _common(cluster, "workers", name, "worker")
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


def _database_env() -> dict[str, pods.EnvValue]:
    return {
        "DATABASE_URL": {"config_map": CONFIG_MAP, "key": "DATABASE_URL"},
        "PGPASSWORD": {"secret": "postgres", "key": "password"},
    }


def _worker_env(cluster: Cluster, worker: ResolvedWorker) -> dict[str, pods.EnvValue]:
    values = _database_env()
    values["LOKI_URL"] = {"config_map": CONFIG_MAP, "key": "LOKI_URL", "optional": True}
    values["DATA_MINER_CONFIG"] = f"{_CONFIG_DIR}/config.yaml"
    values["DATA_MINER_SHARED_MOUNT"] = cluster.storage.seaweedfs_mount
    values["NODE_NAME"] = {"field": "spec.nodeName"}
    values["POD_NAME"] = {"field": "metadata.name"}
    if worker.hf_token:
        values["HF_TOKEN"] = {"secret": "hf-token", "key": "HF_TOKEN", "optional": True}
    return values
