"""The workers whose stages run models: which they are, their image, and the machines that need it."""

from __future__ import annotations

from miner_cluster.cluster import Cluster, ResolvedNode
from miner_cluster.manifest_item import app_image

#: as in data_miner.workers.registry
STAGES = ("filter", "dedup", "detect")


def model_workers(cluster: Cluster) -> list[str]:
    """Return the workers of a cluster that run models."""
    return [name for name in cluster.workers if name in STAGES]


def models_image(cluster: Cluster) -> str:
    """Return the reference of the image with models."""
    return f"{cluster.image.name}-models:{cluster.image.tag}"


def worker_image(cluster: Cluster, stage: str) -> str:
    """Return the reference of the image that a worker runs."""
    return models_image(cluster) if stage in STAGES else app_image(cluster)


def may_run(node: ResolvedNode, schedule_on: str, *, has_gpu: bool) -> bool:
    """Return whether workers with this ``schedule_on`` may run on a machine.

    Args:
        node: the machine.
        schedule_on: all, master or gpu.
        has_gpu: whether a GPU was found there; counts where the configuration does not say.
    """
    if node.storage_only:
        return False
    if schedule_on == "gpu":
        return has_gpu if node.gpu is None else node.gpu
    return schedule_on == "all" or node.role == "server"


def runs_models(cluster: Cluster, node: ResolvedNode, *, has_gpu: bool) -> bool:
    """Return whether a worker that runs models may come to a machine, which needs their image then."""
    places = {cluster.workers[worker].schedule_on for worker in model_workers(cluster)}
    return any(may_run(node, place, has_gpu=has_gpu) for place in places)
