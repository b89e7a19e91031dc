"""The workers in the plan: one Deployment or StatefulSet for each kind, and what belongs to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from data_miner.page import names
from data_miner.site_secrets import DIRECTORY_VARIABLE
from miner_cluster import pods
from miner_cluster.app_config import MinerConfig
from miner_cluster.cluster import Cluster, ResolvedWorker
from miner_cluster.config_checks import MONITOR
from miner_cluster.manifest_item import (
    CERTIFICATES_DIR,
    CERTIFICATES_SECRET,
    CONFIG_MAP,
    GPU_ENV,
    PAGE,
    PAGE_PASSWORD_KEY,
    PAGE_TOKEN_KEY,
    PLUGINS_CONFIG_MAP,
    SITE_ACCESS,
    TOKEN_ANNOTATION,
    TOKEN_KEY,
    TOKEN_SECRET,
    WORKER_UID,
    Item,
    app_common,
    database_env,
    database_url,
    image_annotation,
    scraped,
)
from miner_cluster.model_workers import worker_image
from miner_cluster.taints import tolerations, worker_tolerates

#: what a worker reads of the file that is mounted; everything else of a project comes from the database with
#: each item, so that it needs no restart. The monitor, which writes it there, reads the whole file.
READ_AT_START = (
    "device",
    "download.breaker",
    "logging",
    "models_dir",
    "output_dir",
    "queue",
    "storage",
    "worker",
)

#: where the page listens in its pod
_PAGE_PORTS = (8090, 8091)

_CONFIG_DIR = "/etc/data-miner"
_PLUGINS_DIR = "/etc/data-miner-plugins"
_SITE_ACCESS_DIR = "/etc/data-miner-site"
#: after the workers' own grace, for the interpreter to end
_GRACE_S = 10
#: which container kubectl means where none is named
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_HASH_LENGTH = 16


def worker_items(
    cluster: Cluster,
    config: MinerConfig,
    images: Mapping[str, str],
    *,
    urls: Mapping[str, str],
    token_digest: str,
) -> Iterator[Item]:
    """Return the workers, each with its Service and its budget of disruptions where it has use for them.

    Args:
        cluster: the resolved configuration.
        config: of the application.
        images: of each image reference the ID under which the nodes have it.
        urls: of the services, which reach the workers from the ConfigMap.
        token_digest: changes with HF_TOKEN; empty where it is not known.
    """
    for stage, worker in cluster.workers.items():
        shared = app_common(cluster, "workers", f"{stage}-worker", "worker")
        inputs = shared | _worker_vars(cluster, stage, worker, config)
        inputs["pod_annotations"] = {
            "data-miner/config-hash": config_hash(config, stage, urls),
            **image_annotation(images, inputs["image"]),
            **({TOKEN_ANNOTATION: token_digest} if worker.hf_token and token_digest else {}),
            **({_DEFAULT_CONTAINER: stage} if worker.node_port else {}),
            **scraped(cluster, config.typed.worker.port),
        }
        yield _item(stage, "workers/worker", worker.kind.lower(), inputs)
        if worker.node_port is not None:
            page = app_common(cluster, "workers", PAGE, "worker") | {"selector": shared["selector"]}
            ports = {"port": page_port(config), "node_port": worker.node_port}
            yield _item(stage, "workers/page-service", "page-service", page | ports)
        if worker.kind == "StatefulSet":
            yield _item(stage, "workers/service", "service", shared | {"port": config.typed.worker.port})
        if worker.replicas is None or worker.replicas > 1:
            budget = shared | {"match": shared["selector"]}
            yield _item(stage, "policies/disruption-budget", "poddisruptionbudget", budget)


def page_port(config: MinerConfig) -> int:
    """Return where the page listens: the containers of a pod share their ports."""
    return next(port for port in _PAGE_PORTS if port != config.typed.worker.port)


def config_hash(config: MinerConfig, stage: str, urls: Mapping[str, str]) -> str:
    """Return what changes exactly when something does that the pods of a stage read as they start."""
    read: dict[str, Any] = {"urls": dict(urls)}
    if stage == MONITOR:
        read["config"] = config.text
    else:
        read |= {key: _value(config.merged.data, key) for key in READ_AT_START}
    if stage == "download":
        read["plugins"] = config.plugins
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:_HASH_LENGTH]


def _value(data: Mapping[str, Any], key: str) -> Any:
    found: Any = data
    for name in key.split("."):
        found = found.get(name, {})
    return found


def _item(stage: str, template: str, kind: str, inputs: dict[str, Any]) -> Item:
    return Item(
        phase="workers",
        template=f"{template}.yaml.j2",
        path=f"workers/{stage}-{kind}.yaml",
        vars=inputs,
        key=f"workers.{stage}",
    )


def _worker_vars(cluster: Cluster, stage: str, worker: ResolvedWorker, config: MinerConfig) -> dict[str, Any]:
    download = stage == "download"
    plugins = download and bool(config.plugins)
    paths = (
        ({"PYTHONPATH": _PLUGINS_DIR} if plugins else {})
        | ({DIRECTORY_VARIABLE: _SITE_ACCESS_DIR} if download else {})
        | (_page_role(cluster) if worker.node_port is not None else {})
        | ({"DATA_MINER_STORAGE_CERTIFICATES": CERTIFICATES_DIR} if stage == MONITOR else {})
    )
    return {
        "stage": stage,
        "kind": worker.kind,
        "replicas": worker.replicas,
        "schedule_on": worker.schedule_on,
        "tolerations": tolerations(worker_tolerates(worker)),
        "image": worker_image(cluster, stage),
        "pull_policy": cluster.image.pull_policy,
        "env": _worker_env(cluster, worker) | paths,
        "uid": WORKER_UID,
        "port": config.typed.worker.port,
        "grace_s": int(config.typed.worker.shutdown_grace_s) + _GRACE_S,
        "preset": cluster.resource_presets[worker.preset].model_dump(),
        "config_map": CONFIG_MAP,
        "config_dir": _CONFIG_DIR,
        "plugins_config_map": PLUGINS_CONFIG_MAP if plugins else None,
        "plugins_dir": f"{_PLUGINS_DIR}/yt_dlp_plugins/extractor",
        "site_access": SITE_ACCESS if download else None,
        "site_access_dir": _SITE_ACCESS_DIR,
        "page": _page(cluster, config) if worker.node_port is not None else None,
        "certificates_secret": CERTIFICATES_SECRET if stage == MONITOR else None,
        "certificates_dir": CERTIFICATES_DIR,
        "shared_dir": str(PurePosixPath(cluster.storage.seaweedfs_mount).parent),
    }


def _page(cluster: Cluster, config: MinerConfig) -> dict[str, Any]:
    values = _place_env(cluster)
    if url := database_url(cluster, names.ROLE):
        values["DATABASE_URL"] = url
        values["PGPASSWORD"] = {"secret": PAGE, "key": PAGE_PASSWORD_KEY}
    values[names.TOKEN] = {"secret": PAGE, "key": PAGE_TOKEN_KEY, "optional": True}
    return {"name": PAGE, "port": page_port(config), "env": values}


def _page_role(cluster: Cluster) -> dict[str, pods.EnvValue]:
    """Return what the monitor makes the page's role with, in a database of the cluster's own."""
    if "postgres" not in cluster.infrastructure:
        return {}
    return {names.ROLE_PASSWORD: {"secret": PAGE, "key": PAGE_PASSWORD_KEY, "optional": True}}


def _place_env(cluster: Cluster) -> dict[str, pods.EnvValue]:
    """Return what says where database, configuration and storage are."""
    values = database_env()
    values["DATA_MINER_CONFIG"] = f"{_CONFIG_DIR}/config.yaml"
    values["DATA_MINER_SHARED_MOUNT"] = cluster.storage.seaweedfs_mount
    return values


def _worker_env(cluster: Cluster, worker: ResolvedWorker) -> dict[str, pods.EnvValue]:
    values = _place_env(cluster)
    values["LOKI_URL"] = {"config_map": CONFIG_MAP, "key": "LOKI_URL", "optional": True}
    values["NODE_NAME"] = {"field": "spec.nodeName"}
    values["POD_NAME"] = {"field": "metadata.name"}
    if worker.schedule_on == "gpu":
        # A pod gets no device that it does not ask for; by limits each GPU would be for one pod alone.
        values |= GPU_ENV
    if worker.hf_token:
        values["HF_TOKEN"] = {"secret": TOKEN_SECRET, "key": TOKEN_KEY, "optional": True}
    return values
