"""The services beside the workers in the plan, and the migration of the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from miner_cluster.cluster import Cluster, ResolvedInfrastructure
from miner_cluster.manifest_item import (
    DATABASE,
    MIGRATION,
    WORKER_UID,
    Item,
    app_common,
    app_image,
    database_env,
    image_annotation,
)


def infrastructure_items(cluster: Cluster, images: Mapping[str, str]) -> Iterator[Item]:
    """Return the services, then the Job that brings the database's schema up to date."""
    yield from _services(cluster, images)
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
        vars=app_common(cluster, "infrastructure", MIGRATION, "migration")
        | {
            "name": f"{MIGRATION}{suffix}",
            "image": image,
            "pull_policy": cluster.image.pull_policy,
            "pod_annotations": image_annotation(images, image),
            "env": database_env(),
            "uid": WORKER_UID,
            "preset": cluster.resource_presets[cluster.infrastructure["postgres"].preset].model_dump(),
        },
        key="infrastructure.postgres",
    )
