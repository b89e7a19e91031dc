"""What a cluster's pods request, so that preflight can compare it with what the machines have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from miner_cluster.cluster import Cluster
from miner_cluster.quantities import memory_bytes, millicores, split_range
from miner_cluster.taints import worker_tolerates


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one pod requests: ``cpu`` in thousandths of a core, ``memory`` in bytes; and where it may run."""

    name: str
    cpu: int
    memory: int
    schedule_on: Literal["all", "master", "gpu"] = "all"
    #: taints of machines that do not keep it away
    tolerations: tuple[str, ...] = ()


#: what k3s runs by itself: its manifest of CoreDNS asks for 100m and 70Mi
SYSTEM_REQUESTS = (Request(name="coredns", cpu=100, memory=70 << 20),)


def fixed_requests(cluster: Cluster) -> dict[str, list[Request]]:
    """Return the pods that must run on a certain machine, by its name."""
    storage = cluster.seaweedfs.preset
    fixed = {
        name: [_request(cluster, f"volume-{name}", storage), _request(cluster, "mount", storage)]
        for name in cluster.nodes
    }
    first = fixed[cluster.servers[0]]
    first += [_request(cluster, name, storage) for name in ("master", "filer")]
    for name, service in cluster.infrastructure.items():
        first += [_request(cluster, name, service.preset)] * service.replicas
    return fixed


def floating_requests(cluster: Cluster) -> Iterator[Request]:
    """Return the pods of the workers; a kind whose number is left to others counts once."""
    for name, worker in cluster.workers.items():
        for _ in range(1 if worker.replicas is None else worker.replicas):
            containers = 2 if worker.node_port else 1  # the page has what its worker has
            request = _request(
                cluster, f"{name}-worker", worker.preset, worker.schedule_on, containers=containers
            )
            yield replace(request, tolerations=tuple(worker_tolerates(worker)))


def total_requests(cluster: Cluster) -> dict[str, int]:
    """Return the sum over all pods: ``cpu`` in thousandths of a core, ``memory`` in bytes."""
    every = [request for requests in fixed_requests(cluster).values() for request in requests]
    every += floating_requests(cluster)
    return {"cpu": sum(r.cpu for r in every), "memory": sum(r.memory for r in every)}


def _request(
    cluster: Cluster,
    name: str,
    preset: str,
    schedule_on: Literal["all", "master", "gpu"] = "all",
    *,
    containers: int = 1,
) -> Request:
    resources = cluster.resource_presets[preset]
    return Request(
        name=name,
        cpu=containers * millicores(split_range(resources.cpu, millicores)[0]),
        memory=containers * memory_bytes(split_range(resources.memory, memory_bytes)[0]),
        schedule_on=schedule_on,
    )
