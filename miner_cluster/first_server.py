"""What lies on the first server only, and whether another one comes first now: preflight refuses that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from miner_cluster.cluster import Cluster
from miner_cluster.preflight import Trouble


def first_server_dirs(cluster: Cluster) -> list[str]:
    """Return the directories whose data only the first server has."""
    databases = [f"{cluster.storage.db_path}/{name}" for name in cluster.infrastructure]
    return [*databases, f"{cluster.seaweedfs.data_dir}/filer"]


def moved_troubles(cluster: Cluster, facts: Mapping[str, Mapping[str, Any]]) -> list[Trouble]:
    """Return whether another server than before comes first: databases and filer would start empty there.

    Args:
        cluster: the configuration.
        facts: of the machines that could be looked at.
    """
    first = cluster.servers[0]
    if first not in facts:
        return []
    held = {
        what: [name for name, found in facts.items() if what in found["data_dirs"]]
        for what in first_server_dirs(cluster)
    }
    held = {what: names for what, names in held.items() if names and first not in names}
    if held:
        names = sorted({name for names in held.values() for name in names})
        found = f"is the first server now, and {', '.join(held)} lies on {', '.join(names)}"
        move = f", or move this data here, with {cluster.storage.db_path}/secrets, while nothing runs"
        return [Trouble(where=first, found=found, remedy=_first_again(names[0]) + move)]
    servers = [name for name in cluster.servers if name in facts and _our_server(facts[name])]
    if servers and first not in servers:
        found = f"is the first server now, and the cluster was made on {', '.join(servers)}"
        remedy = (
            f"{_first_again(servers[0])}, or run ansible-playbook teardown.yml before you change the order"
        )
        return [Trouble(where=first, found=found, remedy=remedy)]
    return []


def _first_again(name: str) -> str:
    return f"list {name} first in cluster.nodes of cluster_config.yaml again"


def _our_server(facts: Mapping[str, Any]) -> bool:
    """Return whether k3s runs as a server here and these playbooks installed it."""
    ours = set(facts["k3s_units"]) - set(facts["foreign_units"])
    return any(PurePosixPath(unit).name == "k3s.service" for unit in ours)
