"""What a cluster's pods request, so that preflight can compare it with what the machines have."""

from __future__ import annotations

from miner_cluster.cluster import Cluster
from miner_cluster.quantities import memory_bytes, millicores, split_range


def total_requests(cluster: Cluster) -> dict[str, int]:
    """Return the sum over all pods: ``cpu`` in thousandths of a core, ``memory`` in bytes.

    A worker whose number is left to others counts once.
    """
    counts: dict[str, int] = {}
    # master and filer, and on each node a volume server and the mount
    _add(counts, cluster.seaweedfs.preset, 2 + 2 * len(cluster.nodes))
    for service in cluster.infrastructure.values():
        _add(counts, service.preset, service.replicas)
    for worker in cluster.workers.values():
        _add(counts, worker.preset, 1 if worker.replicas is None else worker.replicas)
    cpu = memory = 0
    for preset, count in counts.items():
        resources = cluster.resource_presets[preset]
        cpu += count * millicores(split_range(resources.cpu, millicores)[0])
        memory += count * memory_bytes(split_range(resources.memory, memory_bytes)[0])
    return {"cpu": cpu, "memory": memory}


def _add(counts: dict[str, int], preset: str, count: int) -> None:
    counts[preset] = counts.get(preset, 0) + count
