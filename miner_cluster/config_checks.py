"""What the values of cluster_config.yaml must mean together: checks across its sections.

Each check gets the sections it names, and runs only when these have the right shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import PurePosixPath

from data_miner.config import KeyPath
from miner_cluster import taints
from miner_cluster.config_model import (
    ClusterSection,
    Image,
    Infrastructure,
    LabSection,
    Node,
    Nvidia,
    ResourcePreset,
    Seaweedfs,
    Storage,
    Worker,
)
from miner_cluster.seaweedfs import replication

#: what k3s gives to pods and services; a machine with such an address can't be told from them
K3S_NETWORKS = {"pods": ip_network("10.42.0.0/16"), "services": ip_network("10.43.0.0/16")}

#: the worker that has a web page, and where it is reached unless the file says otherwise
MONITOR, PAGE_NODE_PORT = "monitor", 30090


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something wrong, at a key."""

    path: KeyPath
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Sections:
    """What has the right shape: whole sections, None for those that have not, and entries."""

    cluster: ClusterSection | None
    lab: LabSection | None
    storage: Storage | None
    image: Image | None
    seaweedfs: Seaweedfs | None
    nvidia: Nvidia | None
    nodes: dict[str, Node]
    resource_presets: dict[str, ResourcePreset]
    workers: dict[str, Worker]
    infrastructure: dict[str, Infrastructure]
    #: of each kind of entries the names of all, also of those that have a wrong shape
    names: Mapping[str, tuple[str, ...]]

    def has_all(self, kind: str) -> bool:
        """Tell whether every entry of a kind has the right shape, so that what is missing is missing."""
        return set(self.names[kind]) == set(getattr(self, kind))


def worker_preset(name: str, worker: Worker) -> str:
    """Return the resource preset of a worker."""
    if worker.preset is not None:
        return worker.preset
    if worker.schedule_on == "gpu":
        return "gpu"
    return "medium" if name == "extract" else "small"


def page_node_port(name: str, worker: Worker) -> int | None:
    """Return the port of every machine at which the monitor's page is reached; None where there is none."""
    if name == MONITOR and "node_port" not in worker.model_fields_set:
        return PAGE_NODE_PORT
    return worker.node_port


def check(sections: Sections) -> list[Finding]:
    """Return everything that does not fit together."""
    return [
        *_servers(sections),
        *_api_address(sections),
        *_addresses(sections),
        *_limits(sections),
        *_replication(sections),
        *_placement(sections),
        *_taints(sections),
        *_autoscale(sections),
        *_presets(sections),
        *_services(sections),
        *_namespaces(sections),
        *_directories(sections),
    ]


def warnings(sections: Sections) -> list[Finding]:
    """Return what works but is better not done."""
    found: list[tuple[KeyPath, str]] = []
    if sections.seaweedfs:
        found.append((("seaweedfs", "image"), sections.seaweedfs.image))
    for name, service in sections.infrastructure.items():
        found.append((("infrastructure", name, "image"), service.image))
    return [
        *(
            Finding(
                path=path,
                message=f"{image} names no version, so what runs depends on the day it is fetched",
                hint="write a version",
            )
            for path, image in found
            if _is_latest(image)
        ),
        *_fragile(sections),
    ]


def _fragile(sections: Sections) -> Iterator[Finding]:
    """Copies that are there to survive a loss, with too few machines to write while one is away."""
    wanted = sections.seaweedfs.replication if sections.seaweedfs else None
    if not wanted or wanted == replication.NONE or not sections.has_all("nodes"):
        return
    places = [replication.place(node.data_center, node.rack) for node in sections.nodes.values()]
    if replication.fits(wanted, places) and not replication.survives_a_loss(wanted, places):
        yield Finding(
            path=("seaweedfs", "replication"),
            message=f"with {wanted} on these nodes every write fails while one of them is away",
            hint="add a node, or leave the key out",
        )


def _is_latest(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@" not in image and tag in {"", "latest"}


def _servers(sections: Sections) -> Iterator[Finding]:
    nodes = sections.nodes
    masters = [name for name, node in nodes.items() if node.role == "master"]
    if not nodes or not sections.has_all("nodes"):
        pass
    elif not masters:
        yield Finding(
            path=("cluster", "nodes"), message="no node has role master", hint="give one of them role: master"
        )
    elif len(masters) % 2 == 0:
        yield Finding(
            path=("cluster", "nodes", masters[-1], "role"),
            message=f"{len(masters)} masters survive no more losses than {len(masters) - 1}",
            hint="use 1, 3 or 5 masters",
        )
    for name in masters:
        if nodes[name].storage_only:
            yield Finding(
                path=("cluster", "nodes", name, "storage_only"),
                message="a master runs more than storage",
                hint="remove storage_only, or make it role: worker",
            )


def _api_address(sections: Sections) -> Iterator[Finding]:
    """One address for the API of several servers; the API of one has that server's."""
    given = sections.cluster
    if given is None or not sections.has_all("nodes"):
        return
    keys: tuple[tuple[str, str | None], ...] = (
        ("api_vip", given.api_vip),
        ("api_address", given.api_address),
    )
    set_keys = [key for key, value in keys if value]
    masters = sum(node.role == "master" for node in sections.nodes.values())
    if len(set_keys) > 1:
        yield Finding(
            path=("cluster", "api_address"),
            message="api_vip is given too, and the API has one address",
            hint="keep api_vip for an address that moves between masters, api_address for a load balancer",
        )
    elif set_keys and masters == 1:
        yield Finding(
            path=("cluster", set_keys[0]),
            message="with one master the API has that one's address",
            hint="remove it, or use 3 or 5 masters",
        )
    if given.api_vip:
        yield from _vip(given.api_vip, sections)


def _vip(vip: str, sections: Sections) -> Iterator[Finding]:
    path: KeyPath = ("cluster", "api_vip")
    owners = {node.ip: name for name, node in sections.nodes.items()}
    if sections.lab and sections.lab.site_ip:
        owners[sections.lab.site_ip] = "the lab's video site"
    if vip in owners:
        yield Finding(
            path=path,
            message=f"{vip} is the address of {owners[vip]}",
            hint="use one that nothing has: it moves between the masters",
        )
    for what, network in K3S_NETWORKS.items():
        if ip_address(vip) in network:
            yield Finding(
                path=path,
                message=f"{vip} lies in the network of the {what}, {network}",
                hint="use an address in the masters' own network",
            )


def _addresses(sections: Sections) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name, node in sections.nodes.items():
        other = first.setdefault(node.ip, name)
        if other != name:
            yield Finding(
                path=("cluster", "nodes", name, "ip"),
                message=f"{node.ip} is the address of {other} too",
                hint="give each node its own",
            )
        for what, network in K3S_NETWORKS.items():
            if ip_address(node.ip) in network:
                yield Finding(
                    path=("cluster", "nodes", name, "ip"),
                    message=f"{node.ip} lies in the network of the {what}, {network}",
                    hint="use an address outside it",
                )
    if sections.lab is not None:
        vip = sections.cluster.api_vip if sections.cluster else None
        yield from _lab_addresses(first, vip, sections.lab.site_ip)


def _lab_addresses(nodes: dict[str, str], vip: str | None, site_ip: str | None) -> Iterator[Finding]:
    places: dict[str, KeyPath] = {ip: ("cluster", "nodes", name, "ip") for ip, name in nodes.items()}
    if vip and vip not in nodes:
        places[vip] = ("cluster", "api_vip")
    if site_ip in nodes:
        yield Finding(path=("lab", "site_ip"), message=f"is the address of {nodes[site_ip]}")
    elif site_ip:
        places[site_ip] = ("lab", "site_ip")
    for ip, path in places.items():
        if ip.rpartition(".")[2] in {"0", "1", "255"}:
            yield Finding(
                path=path,
                message=f"{ip} is an address that the lab's network needs itself",
                hint="let it end with a number from 2 to 254",
            )
    subnets = {str(ip_network(f"{ip}/24", strict=False)) for ip in places}
    if len(subnets) > 1:
        yield Finding(
            path=("lab", "site_ip") if site_ip else ("cluster", "nodes"),
            message=f"the addresses of a lab lie in one /24 subnet, these in {', '.join(sorted(subnets))}",
            hint="give the nodes and site_ip the same first three numbers",
        )


def _limits(sections: Sections) -> Iterator[Finding]:
    if sections.seaweedfs is None:
        return
    size = sections.seaweedfs.volume_size_limit_mb
    limits: list[tuple[KeyPath, int | None]] = [
        (("seaweedfs", "default_disk_limit_mb"), sections.seaweedfs.default_disk_limit_mb)
    ]
    for name, node in sections.nodes.items():
        limits.append((("cluster", "nodes", name, "disk_limit_mb"), node.disk_limit_mb))
        if sections.lab and (node.disk_limit_mb or 0) > sections.lab.disk_mb:
            yield Finding(
                path=limits[-1][0],
                message=f"{node.disk_limit_mb} MB is more than lab.disk_mb ({sections.lab.disk_mb})",
                hint="lower it, or give the lab's nodes larger disks",
            )
    for path, limit in limits:
        if limit and limit < size:
            yield Finding(
                path=path,
                message=f"{limit} MB holds no volume: one has {size} MB (seaweedfs.volume_size_limit_mb)",
                hint=f"write {size} or more, or 0 for no limit",
            )


def _replication(sections: Sections) -> Iterator[Finding]:
    wanted = sections.seaweedfs.replication if sections.seaweedfs else None
    if not wanted or not sections.nodes or not sections.has_all("nodes"):
        return
    places = [replication.place(node.data_center, node.rack) for node in sections.nodes.values()]
    if not replication.fits(wanted, places):
        racks = Counter(f"{place.data_center}/{place.rack}" for place in places)
        there = ", ".join(f"{rack} {count}" for rack, count in racks.items())
        yield Finding(
            path=("seaweedfs", "replication"),
            message=f"{wanted} needs {replication.needs(wanted)}; nodes by data center and rack: {there}",
            hint=f'add nodes, set their rack and data_center, or write "{replication.default(places)}"',
        )


def _placement(sections: Sections) -> Iterator[Finding]:
    if not sections.has_all("nodes"):
        return
    nodes = sections.nodes.values()
    may_have_gpu = any(node.gpu is not False and not node.storage_only for node in nodes)
    may_work = any(not node.storage_only for node in nodes)
    for name, worker in sections.workers.items():
        path: KeyPath = ("workers", name, "schedule_on")
        if worker.schedule_on == "gpu" and not may_have_gpu:
            yield Finding(
                path=path,
                message="no node can have a GPU: each says gpu: false or storage_only: true",
                hint="remove gpu: false from the node that has one",
            )
        elif worker.schedule_on == "all" and not may_work:
            yield Finding(path=path, message="every node is storage_only", hint="add a node that works")


def _taints(sections: Sections) -> Iterator[Finding]:
    if sections.has_all("nodes"):
        for path, message, hint in taints.check(sections.nodes, sections.workers):
            yield Finding(path=path, message=message, hint=hint)


def _autoscale(sections: Sections) -> Iterator[Finding]:
    for name, worker in sections.workers.items():
        if worker.autoscale is None:
            continue
        if name == "monitor":
            yield Finding(
                path=("workers", name, "autoscale"),
                message="the monitor takes nothing from the queue",
                hint="remove it",
            )
        if worker.autoscale.min > worker.autoscale.max:
            yield Finding(
                path=("workers", name, "autoscale", "min"),
                message=f"is above max, {worker.autoscale.max}",
                hint="write the smaller number as min",
            )
        if "replicas" in worker.model_fields_set and worker.replicas is not None:
            yield Finding(
                path=("workers", name, "replicas"),
                message="autoscale sets the number too",
                hint="remove one of them",
            )


def _presets(sections: Sections) -> Iterator[Finding]:
    wanted: list[tuple[KeyPath, str]] = []
    if sections.seaweedfs:
        wanted.append((("seaweedfs", "preset"), sections.seaweedfs.preset))
    if sections.nvidia and sections.nvidia.device_plugin:
        wanted.append((("nvidia", "preset"), sections.nvidia.preset))
    for name, worker in sections.workers.items():
        wanted.append((("workers", name, "preset"), worker_preset(name, worker)))
    for name, service in sections.infrastructure.items():
        wanted.append((("infrastructure", name, "preset"), service.preset))
    for path, preset in wanted:
        if preset not in sections.names["resource_presets"]:
            known = ", ".join(sections.names["resource_presets"]) or "none"
            yield Finding(
                path=path,
                message=f"there is no resource preset {preset!r}",
                hint=f"resource_presets has: {known}",
            )


def _node_ports(sections: Sections) -> Iterator[Finding]:
    wanted: list[tuple[KeyPath, int]] = []
    for name, service in sections.infrastructure.items():
        if service.node_port:
            wanted.append((("infrastructure", name, "node_port"), service.node_port))
    for name, worker in sections.workers.items():
        if port := page_node_port(name, worker):
            wanted.append((("workers", name, "node_port"), port))
            if name != MONITOR:
                yield Finding(
                    path=wanted[-1][0],
                    message=f"{name} has no page",
                    hint=f"only {MONITOR} has one; remove node_port",
                )
    seen: dict[int, str] = {}
    for path, port in wanted:
        other = seen.setdefault(port, str(path[1]))
        if other != path[1]:
            yield Finding(
                path=path,
                message=f"{port} is taken by {other}",
                hint="choose another one from 30000 to 32767",
            )


def _services(sections: Sections) -> Iterator[Finding]:
    yield from _node_ports(sections)
    services = sections.infrastructure
    if sections.workers and "postgres" not in sections.names["infrastructure"]:
        yield Finding(
            path=("infrastructure",),
            message="workers need the queue in postgres, and there is none",
            hint="add postgres: {kind: StatefulSet, image: 'postgres:16', port: 5432}",
        )
    if sections.workers and "postgres" in services and services["postgres"].replicas == 0:
        yield Finding(
            path=("infrastructure", "postgres", "replicas"),
            message="workers need the queue in postgres, and 0 runs none",
            hint="write replicas: 1, or leave it out; replicas: 0 of each worker stops the work",
        )
    if "postgres" in services and services["postgres"].kind != "StatefulSet":
        yield Finding(
            path=("infrastructure", "postgres", "kind"),
            message="two Postgres must never share one directory",
            hint="write kind: StatefulSet",
        )


def _namespaces(sections: Sections) -> Iterator[Finding]:
    if sections.cluster and sections.seaweedfs and sections.cluster.namespace == sections.seaweedfs.namespace:
        yield Finding(
            path=("seaweedfs", "namespace"),
            message="is cluster.namespace too; storage outlives the application",
            hint="use two namespaces",
        )


def _directories(sections: Sections) -> Iterator[Finding]:
    if sections.storage is None or sections.seaweedfs is None:
        return
    above = PurePosixPath(sections.storage.seaweedfs_mount).parent
    paths: dict[KeyPath, PurePosixPath] = {
        ("storage", "db_path"): PurePosixPath(sections.storage.db_path),
        ("seaweedfs", "data_dir"): PurePosixPath(sections.seaweedfs.data_dir),
    }
    for path, place in paths.items():
        if _overlap(place, above):
            yield Finding(
                path=path,
                message=f"{place} and {above}, the directory above the mount that workers see, overlap",
                hint="use directories apart from each other",
            )
    (_, one), (path, two) = paths.items()
    if _overlap(one, two):
        yield Finding(
            path=path,
            message=f"{two} and storage.db_path ({one}) overlap",
            hint="use directories apart from each other",
        )


def _overlap(one: PurePosixPath, two: PurePosixPath) -> bool:
    return one.is_relative_to(two) or two.is_relative_to(one)
