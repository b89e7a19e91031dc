"""SeaweedFS in the plan: master, filer, one volume server per node, and the mount on every node.

The label ``app.kubernetes.io/component`` says which of these a pod is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from miner_cluster.cluster import Cluster, ResolvedNode
from miner_cluster.manifest_item import SERVICE_ACCOUNT, STORAGE_UID, Item, common, image_annotation, scraped
from miner_cluster.pods import COMPONENT_LABEL
from miner_cluster.storage_security import DIRECTORY as SECURITY_DIR
from miner_cluster.storage_security import secret_name

#: rolls pods when their keys or certificates change
SECURITY_ANNOTATION = "data-miner/security-hash"

#: the namespace and its policies come first, then Secrets, which are in no phase, then what runs
BASE_PHASE, PHASE = "seaweedfs-base", "seaweedfs"
MASTER_PORT, FILER_PORT, VOLUME_PORT = 9333, 8888, 8080
#: where a volume server has /metrics, among them the space of its disk
METRICS_PORT = 9327
#: SeaweedFS has its gRPC port at this distance
GRPC_OFFSET = 10_000
#: percent of the disk below which a volume server stops to take more: with a limit, and without one
_MIN_FREE, _MIN_FREE_UNLIMITED = 3, 5

#: how often the master looks after the volumes
MAINTENANCE_MINUTES = 15
#: the share of a volume that must be deleted files before it is written anew without them
_GARBAGE = 0.1
#: how long nothing must have been written to a volume of no files before it goes
_EMPTY_FOR = "1h"


def maintenance(replication: str) -> str:
    """Return what the master does now and then, as commands of ``weed shell``.

    Space of deleted files is given back. Volumes of before get the replication that is configured now, and
    copies that a lost or returned machine left missing or superfluous are made or removed; before SeaweedFS
    removes one, it compares it with those that stay.
    """
    commands = (
        "lock",
        f"volume.vacuum -garbageThreshold={_GARBAGE}",
        f"volume.deleteEmpty -quietFor={_EMPTY_FOR} -apply",
        f"volume.configure.replication -replication={replication}",
        "volume.fix.replication -apply",
        "unlock",
    )
    return ";".join(commands)


def volume_count(node: ResolvedNode, volume_size_mb: int) -> int:
    """Return how many volumes a node's limit holds; 0 lets SeaweedFS take what the disk has."""
    return node.disk_limit_mb // volume_size_mb


def storage_base(cluster: Cluster) -> Iterator[Item]:
    """Return SeaweedFS's namespace and what every pod there needs."""
    for kind, name in (("namespace", cluster.seaweedfs.namespace), ("serviceaccount", SERVICE_ACCOUNT)):
        yield _item(cluster, f"namespace/{kind}", kind, name, component="namespace", phase=BASE_PHASE)


def storage_items(cluster: Cluster, images: Mapping[str, str], digests: Mapping[str, str]) -> Iterator[Item]:
    """Return the servers and mounts of SeaweedFS.

    Args:
        cluster: the resolved configuration.
        images: of each image reference the ID under which the nodes have it.
        digests: of each Secret with keys and certificates what changes with it.
    """

    def weed(component: str) -> dict[str, Any]:
        return _weed(cluster, images, component, digests)

    yield from _server(cluster, weed("master"), "master", MASTER_PORT)
    yield from _server(cluster, weed("filer"), "filer", FILER_PORT)
    for node in cluster.nodes.values():
        yield from _volume_server(cluster, weed("volume"), node)
    # One machine at a time is drained: of two copies of a file, one can be read.
    match = {"match": {COMPONENT_LABEL: "volume"}}
    yield _item(cluster, "policies/disruption-budget", "volume-poddisruptionbudget", "volume", extra=match)
    extra = weed("mount") | {
        "filer": f"{address(cluster, 'filer')}:{FILER_PORT}",
        "mount": cluster.storage.seaweedfs_mount,
        "shared_dir": str(PurePosixPath(cluster.storage.seaweedfs_mount).parent),
    }
    yield _item(cluster, "seaweedfs/mount-daemonset", "mount-daemonset", "mount", extra=extra)


def _server(cluster: Cluster, weed: dict[str, Any], name: str, port: int) -> Iterator[Item]:
    extra = weed | {
        "port": port,
        "grpc_port": port + GRPC_OFFSET,
        "address": address(cluster, name),
        "host": cluster.servers[0],
        "data_dir": f"{cluster.seaweedfs.data_dir}/{name}",
        "volume_size_limit_mb": cluster.seaweedfs.volume_size_limit_mb,
        "replication": cluster.replication,
        "maintenance": maintenance(cluster.replication),
        "maintenance_minutes": MAINTENANCE_MINUTES,
    }
    yield _item(cluster, f"seaweedfs/{name}-statefulset", f"{name}-statefulset", name, extra=extra)
    yield _item(cluster, "seaweedfs/service", f"{name}-service", name, extra=extra)


def _volume_server(cluster: Cluster, weed: dict[str, Any], node: ResolvedNode) -> Iterator[Item]:
    name = f"volume-{node.name}"
    extra = weed | {
        "pod_annotations": weed["pod_annotations"] | scraped(cluster, METRICS_PORT),
        "metrics_port": METRICS_PORT if cluster.prometheus_namespace else None,
        "port": VOLUME_PORT,
        "grpc_port": VOLUME_PORT + GRPC_OFFSET,
        "address": address(cluster, name),
        "host": node.name,
        "data_dir": f"{cluster.seaweedfs.data_dir}/volume",
        "max_volumes": volume_count(node, cluster.seaweedfs.volume_size_limit_mb),
        "min_free_percent": _MIN_FREE if node.disk_limit_mb else _MIN_FREE_UNLIMITED,
        "rack": node.rack,
        "data_center": node.data_center,
    }
    key = f"cluster.nodes.{node.name}"
    for template, kind in (("volume-statefulset", "statefulset"), ("service", "service")):
        path = f"{name}-{kind}"
        yield _item(cluster, f"seaweedfs/{template}", path, name, component="volume", extra=extra, key=key)


def _weed(
    cluster: Cluster, images: Mapping[str, str], component: str, digests: Mapping[str, str]
) -> dict[str, Any]:
    """Return the inputs of every pod that runs SeaweedFS."""
    image, secret = cluster.seaweedfs.image, secret_name(component)
    known = {SECURITY_ANNOTATION: digests[secret]} if secret in digests else {}
    return {
        "image": image,
        "pod_annotations": image_annotation(images, image) | known,
        "security": secret,
        "security_dir": SECURITY_DIR,
        "preset": cluster.resource_presets[cluster.seaweedfs.preset].model_dump(),
        "master": f"{address(cluster, 'master')}:{MASTER_PORT}",
        "uid": STORAGE_UID,
    }


def address(cluster: Cluster, name: str) -> str:
    """Return the DNS name of a server's only pod."""
    return f"{name}-0.{name}.{cluster.seaweedfs.namespace}"


def _item(
    cluster: Cluster,
    template: str,
    file: str,
    name: str,
    *,
    component: str = "",
    extra: Mapping[str, Any] | None = None,
    key: str = "seaweedfs",
    phase: str = PHASE,
) -> Item:
    inputs = common(
        cluster, phase=phase, namespace=cluster.seaweedfs.namespace, name=name, component=component or name
    )
    return Item(
        phase=phase,
        template=f"{template}.yaml.j2",
        path=f"seaweedfs/{file}.yaml",
        vars=inputs | dict(extra or {}),
        key=key,
    )
