"""One Kubernetes object of the plan, and what all objects have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miner_cluster import pods
from miner_cluster.cluster import Cluster

CONFIG_MAP = "data-miner-config"
PLUGINS_CONFIG_MAP = "yt-dlp-plugins"
DATABASE = "data_miner"
DATABASE_USER = "postgres"
#: the name and the key of the Secret with its password
DATABASE_SECRET = ("postgres", "password")
#: the user of the workers' image
WORKER_UID = 10001
#: the user of SeaweedFS's servers, who owns their directories on the machines
STORAGE_UID = 10002
#: what the pods that bring the database's schema up to date are called, whatever image they are of
MIGRATION = "db-migrate"
#: cookies and proxy of the downloads
SITE_ACCESS = "site-access"
#: where HF_TOKEN lies
TOKEN_SECRET, TOKEN_KEY = "hf-token", "HF_TOKEN"
#: the certificates of the shared storage, and where the monitor finds them
CERTIFICATES_SECRET, CERTIFICATES_DIR = "storage-certificates", "/etc/storage-certificates"
#: roll pods when their image or their token changes
IMAGE_ANNOTATION, TOKEN_ANNOTATION = "data-miner/image-id", "data-miner/token-hash"
#: the page of the monitor: its Service and its Secret, with the password of its role in the database
PAGE, PAGE_TOKEN_KEY, PAGE_PASSWORD_KEY = "monitor-page", "token", "database-password"
#: where the image of Adminer listens, whatever its Service's port is
ADMINER_PORT = 8080
#: give a pod all GPUs of its machine, and the programs that look at them
GPU_ENV = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
#: of every pod, one in each namespace; its token is mounted nowhere
SERVICE_ACCOUNT = "data-miner"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One object: the template that makes it, the file that ``render.yml`` writes it to, its inputs."""

    phase: str
    template: str
    path: str
    vars: dict[str, Any]
    #: the key of cluster_config.yaml that asks for it
    key: str


def common(cluster: Cluster, *, phase: str, namespace: str, name: str, component: str) -> dict[str, Any]:
    """Return the inputs that every template has."""
    return {
        "name": name,
        "namespace": namespace,
        "labels": pods.labels(name=name, instance=cluster.name, component=component, phase=phase),
        "selector": pods.selector(name=name, instance=cluster.name),
        "service_account": SERVICE_ACCOUNT,
    }


def image_annotation(images: Mapping[str, str], reference: str) -> dict[str, str]:
    """Return the annotation that rolls a pod when its image changes; none where its ID is unknown."""
    return {IMAGE_ANNOTATION: images[reference]} if reference in images else {}


def scraped(cluster: Cluster, port: int) -> dict[str, str]:
    """Return the annotations by which Prometheus finds a pod's /metrics; none where it is not there."""
    if cluster.prometheus_namespace is None:
        return {}
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/metrics"}


def app_common(cluster: Cluster, phase: str, name: str, component: str) -> dict[str, Any]:
    """Return the inputs that every template of the application's namespace has."""
    return common(cluster, phase=phase, namespace=cluster.namespace, name=name, component=component)


def service_host(cluster: Cluster, name: str) -> str:
    """Return the DNS name of a service of the application's namespace."""
    return f"{name}.{cluster.namespace}.svc.cluster.local"


def app_image(cluster: Cluster) -> str:
    """Return the reference of the workers' image."""
    return f"{cluster.image.name}:{cluster.image.tag}"


def database_url(cluster: Cluster, user: str) -> str | None:
    """Return where the cluster's own database is; None where it has none."""
    if postgres := cluster.infrastructure.get("postgres"):
        return f"postgresql://{user}@{service_host(cluster, 'postgres')}:{postgres.port}/{DATABASE}"
    return None


def database_env() -> dict[str, pods.EnvValue]:
    """Return how a pod gets at the database."""
    secret, key = DATABASE_SECRET
    return {
        "DATABASE_URL": {"config_map": CONFIG_MAP, "key": "DATABASE_URL"},
        "PGPASSWORD": {"secret": secret, "key": key},
    }
