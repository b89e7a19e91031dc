"""Which machines' GPUs are used, from the configuration and from preflight's look at each machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miner_cluster.cluster import Cluster

#: the container runtime by which a machine's pods share its GPU
RUNTIME = "nvidia"
#: where the toolkit lies that is brought to a machine; packages of distributions lie elsewhere
OURS = "/usr/local/nvidia/toolkit"


def found(look: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the ``gpus`` of a machine, what is ``missing`` for their use and the ``toolkit`` that is there.

    Args:
        look: the machine's variable ``_preflight_look``, where it has one.

    Returns:
        None where nobody has looked.
    """
    facts = (look or {}).get("facts")
    return facts["nvidia"] if facts else None


def used(cluster: Cluster, name: str, look: Mapping[str, Any] | None) -> bool:
    """Return whether pods use a machine's GPU: as the file says, else where it has one and is asked for."""
    said = cluster.nodes[name].gpu
    if said is not None:
        return said
    asked = cluster.nvidia.device_plugin is not None or any(
        worker.schedule_on == "gpu" for worker in cluster.workers.values()
    )
    looked = found(look)
    return bool(asked and looked and looked["gpus"])


def toolkit_wanted(cluster: Cluster, name: str, look: Mapping[str, Any] | None) -> bool:
    """Return whether a machine gets the toolkit: one with a package of NVIDIA's keeps that."""
    looked = found(look)
    return bool(used(cluster, name, look) and looked and looked["toolkit"] in {"", OURS})


def runtime(
    cluster: Cluster, name: str, look: Mapping[str, Any] | None, spec: Mapping[str, Any] | None
) -> str:
    """Return the container runtime of a machine's pods; empty for k3s' own choice.

    Args:
        cluster: the configuration.
        name: the machine's.
        look: its variable ``_preflight_look``, where it has one.
        spec: what module ``nvidia_spec`` returned in this run, where it ran.
    """
    looked = found(look)
    if not looked or looked["missing"] or not used(cluster, name, look):
        return ""
    if spec and "problem" in spec:
        return "" if spec["problem"] else RUNTIME
    return RUNTIME if looked["toolkit"] else ""


def runtime_path(cluster: Cluster, name: str, look: Mapping[str, Any] | None) -> str:
    """Return where the container runtime of a machine with a GPU lies once it has its toolkit."""
    looked = found(look)
    place = OURS if toolkit_wanted(cluster, name, look) else looked["toolkit"] if looked else ""
    return f"{place}/nvidia-container-runtime" if place else ""
