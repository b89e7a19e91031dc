"""The services beside the workers in the plan, and the migration of the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from miner_cluster import grafana
from miner_cluster.cluster import GPU_LABEL, Cluster, ResolvedInfrastructure
from miner_cluster.loki_config import loki_config
from miner_cluster.manifest_item import (
    ADMINER_PORT,
    DATABASE,
    MIGRATION,
    WORKER_UID,
    Item,
    app_common,
    app_image,
    database_env,
    image_annotation,
    service_host,
)
from miner_cluster.quantities import memory_bytes, split_range
from miner_cluster.taints import CONTROL_PLANE, tolerations

_LOKI_CONFIG = "loki-config"
_PROVISIONING, _DASHBOARDS = "grafana-provisioning", "grafana-dashboards"
_HOME = "pipeline.json"


def infrastructure_config(cluster: Cluster) -> Iterator[Item]:
    """Return the ConfigMaps of the services that have files of configuration."""
    for service in cluster.infrastructure:
        for name, data in _files(cluster, service).items():
            yield Item(
                phase="config",
                template="config/configmap.yaml.j2",
                path=f"config/{name}-configmap.yaml",
                vars=app_common(cluster, "config", name, "config") | {"data": data},
                key=f"infrastructure.{service}",
            )


def infrastructure_items(cluster: Cluster, images: Mapping[str, str]) -> Iterator[Item]:
    """Return the services, then the Job that brings the database's schema up to date."""
    yield from _services(cluster, images)
    yield from _device_plugin(cluster, images)
    yield from _migration(cluster, images)


def _services(cluster: Cluster, images: Mapping[str, str]) -> Iterator[Item]:
    for name, service in cluster.infrastructure.items():
        shared = app_common(cluster, "infrastructure", name, "infrastructure")
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
                # The database's one pod is reached without a detour; what people reach has an address.
                "headless": name == "postgres" and service.node_port is None,
            },
            key=f"infrastructure.{name}",
        )


def _service_vars(
    cluster: Cluster, name: str, service: ResolvedInfrastructure, images: Mapping[str, str]
) -> dict[str, Any]:
    shared = {
        "kind": service.kind,
        "image": service.image,
        "replicas": service.replicas,
        "port": service.port,
        "preset": cluster.resource_presets[service.preset].model_dump(),
        "memory_mb": _memory_limit_mb(cluster.resource_presets[service.preset].memory),
        "pod_annotations": _config_annotation(cluster, name) | image_annotation(images, service.image),
        "host": cluster.servers[0],
        "tolerations": _tolerations(cluster),
        "data_dir": f"{cluster.storage.db_path}/{name}",
        "database": DATABASE,
        "database_host": service_host(cluster, "postgres"),
    }
    own: dict[str, dict[str, Any]] = {
        "loki": {"config_map": _LOKI_CONFIG},
        "grafana": _grafana_vars(cluster),
        "adminer": {"pod_port": ADMINER_PORT},
    }
    return shared | own.get(name, {})


def _grafana_vars(cluster: Cluster) -> dict[str, Any]:
    postgres = cluster.infrastructure.get("postgres")
    return {
        "provisioning_config_map": _PROVISIONING,
        "dashboards_config_map": _DASHBOARDS,
        "dashboards_dir": grafana.DASHBOARDS_DIR,
        "home_dashboard": f"{grafana.DASHBOARDS_DIR}/{_HOME}",
        "reader": grafana.READER if postgres else None,
        "reader_variable": grafana.READER_PASSWORD,
        "database_port": postgres.port if postgres else None,
        "database_image": postgres.image if postgres else None,
    }


def _files(cluster: Cluster, service: str) -> dict[str, dict[str, str]]:
    """Return the ConfigMaps of a service by name, each with its texts by key."""
    if service == "loki":
        port = cluster.infrastructure["loki"].port
        return {_LOKI_CONFIG: {"config.yaml": _yaml(loki_config(port))}}
    if service == "grafana":
        loki, postgres = (cluster.infrastructure.get(name) for name in ("loki", "postgres"))
        sources = grafana.datasources(
            loki_url=f"http://{service_host(cluster, 'loki')}:{loki.port}" if loki else None,
            postgres_address=f"{service_host(cluster, 'postgres')}:{postgres.port}" if postgres else None,
            database=DATABASE,
        )
        provisioning = {
            "datasources.yaml": _yaml(sources),
            "dashboards.yaml": _yaml(grafana.dashboard_provider()),
            "alerts.json": grafana.ALERTS.read_text("utf-8"),
        }
        return {_PROVISIONING: provisioning, _DASHBOARDS: grafana.dashboards()}
    return {}


def _config_annotation(cluster: Cluster, service: str) -> dict[str, str]:
    """Return the annotation that rolls a service's pod when its configuration changes."""
    if not (files := _files(cluster, service)):
        return {}
    return {"data-miner/config-hash": hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]}


def _yaml(value: object) -> str:
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False)


def _device_plugin(cluster: Cluster, images: Mapping[str, str]) -> Iterator[Item]:
    """NVIDIA's device plugin, where there can be a machine for it."""
    image = cluster.nvidia.device_plugin
    if image is None or all(node.gpu is False for node in cluster.nodes.values()):
        return
    name = "nvidia-device-plugin"
    yield Item(
        phase="infrastructure",
        template=f"infrastructure/{name}.yaml.j2",
        path=f"infrastructure/{name}-daemonset.yaml",
        vars=app_common(cluster, "infrastructure", name, "device-plugin")
        | {
            "image": image,
            "pod_annotations": image_annotation(images, image),
            "preset": cluster.resource_presets[cluster.nvidia.preset].model_dump(),
            "node_label": GPU_LABEL,
        },
        key="nvidia.device_plugin",
    )


def _migration(cluster: Cluster, images: Mapping[str, str]) -> Iterator[Item]:
    """The Job that brings the database's schema up to date: a new one for each image."""
    if "postgres" not in cluster.infrastructure or not cluster.workers:
        return
    image = app_image(cluster)
    suffix = f"-{images[image].removeprefix('sha256:')[:8]}" if image in images else ""
    # A Job can't be changed: where the first server got other taints, it is another one.
    taints = cluster.nodes[cluster.servers[0]].taints
    suffix += f"-{hashlib.sha256(' '.join(taints).encode()).hexdigest()[:4]}" if taints else ""
    yield Item(
        phase="infrastructure",
        template="infrastructure/db-migrate.yaml.j2",
        path="infrastructure/db-migrate-job.yaml",
        vars=app_common(cluster, "infrastructure", MIGRATION, "migration")
        | {
            "name": f"{MIGRATION}{suffix}",
            "image": image,
            "pull_policy": cluster.image.pull_policy,
            "pod_annotations": image_annotation(images, image),
            "env": database_env(),
            "uid": WORKER_UID,
            "tolerations": tolerations(taints),
            "preset": cluster.resource_presets[cluster.infrastructure["postgres"].preset].model_dump(),
        },
        key="infrastructure.postgres",
    )


def _tolerations(cluster: Cluster) -> list[dict[str, str]]:
    """Return what lets a pod run on the first server, whatever keeps others away there."""
    return tolerations([CONTROL_PLANE], cluster.nodes[cluster.servers[0]].taints)


def _memory_limit_mb(memory: str) -> int:
    """Return the upper end of a preset's range in MiB."""
    _, limit = split_range(memory, memory_bytes)
    return memory_bytes(limit) >> 20
