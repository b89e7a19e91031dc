"""Which Kubernetes objects a cluster consists of: a plan of templates, the files they make, and their inputs.

The plan is pure. Templates only place values; whatever must be computed is computed here or in a filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from miner_cluster.app_config import MinerConfig
from miner_cluster.cluster import Cluster
from miner_cluster.manifest_item import (
    CONFIG_MAP,
    DATABASE_USER,
    PLUGINS_CONFIG_MAP,
    SERVICE_ACCOUNT,
    Item,
    app_common,
    database_url,
    service_host,
)
from miner_cluster.manifests_autoscale import autoscale_items
from miner_cluster.manifests_infrastructure import infrastructure_config, infrastructure_items
from miner_cluster.manifests_policies import app_policies, storage_policies
from miner_cluster.manifests_storage import storage_base, storage_items
from miner_cluster.manifests_workers import worker_items

PHASES = ("seaweedfs-base", "seaweedfs", "namespace", "config", "policies", "infrastructure", "workers")


def plan(
    cluster: Cluster,
    config: MinerConfig,
    images: Mapping[str, str],
    *,
    token_digest: str = "",
    storage_digests: Mapping[str, str] | None = None,
) -> list[Item]:
    """Return every object of a cluster.

    Args:
        cluster: the resolved configuration.
        config: of the application.
        images: of each image reference the ID under which the nodes have it. Pod templates carry it, so that
            a new image rolls exactly the pods that use it; references that are missing here carry none.
        token_digest: changes with HF_TOKEN; the pods that get the token carry it, for the same reason.
        storage_digests: of each Secret of the storage what changes with it; its pods carry that too.
    """
    urls = service_urls(cluster)
    return [
        *storage_base(cluster),
        *storage_policies(cluster),
        *storage_items(cluster, images, storage_digests or {}),
        *_namespace(cluster),
        *_config(cluster, config, urls),
        *infrastructure_config(cluster),
        *app_policies(cluster, config),
        *infrastructure_items(cluster, images),
        *worker_items(cluster, config, images, urls=urls, token_digest=token_digest),
        *autoscale_items(cluster),
    ]


def service_urls(cluster: Cluster) -> dict[str, str]:
    """Return where the workers find the services, by the keys of the ConfigMap."""
    urls = {}
    if url := database_url(cluster, DATABASE_USER):
        urls["DATABASE_URL"] = url
    if loki := cluster.infrastructure.get("loki"):
        urls["LOKI_URL"] = f"http://{service_host(cluster, 'loki')}:{loki.port}"
    return urls


def _namespace(cluster: Cluster) -> Iterator[Item]:
    for name, template, path in (
        (cluster.namespace, "namespace/namespace.yaml.j2", "namespace.yaml"),
        (SERVICE_ACCOUNT, "namespace/serviceaccount.yaml.j2", "serviceaccount.yaml"),
    ):
        yield Item(
            phase="namespace",
            template=template,
            path=path,
            vars=app_common(cluster, "namespace", name, "namespace"),
            key="cluster.namespace",
        )


def _config(cluster: Cluster, config: MinerConfig, urls: Mapping[str, str]) -> Iterator[Item]:
    yield Item(
        phase="config",
        template="config/configmap.yaml.j2",
        path="config/configmap.yaml",
        vars=app_common(cluster, "config", CONFIG_MAP, "config")
        | {"data": {"config.yaml": config.text, **urls}},
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
