"""Machines that run another k3s than the configuration says: replacing it is a matter of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miner_cluster.cluster import Cluster
from miner_cluster.preflight import Trouble


def version_troubles(
    cluster: Cluster, facts: Mapping[str, Mapping[str, Any]], versions: Mapping[str, str]
) -> list[Trouble]:
    """Return what to do about machines whose k3s would be replaced by another version.

    A machine without k3s is a new one, also under the name of a node that the cluster still knows.

    Args:
        cluster: the configuration.
        facts: of each machine that could be looked at, as ``node_check`` returns them.
        versions: of each node of the cluster, what it runs.
    """
    return [
        Trouble(
            where=name,
            found=f"runs k3s {versions[name]}, and cluster.k3s_version is {cluster.k3s_version}",
            remedy="ansible-playbook playbooks/upgrade.yml takes it there with all that runs on it"
            # Agents may be older than servers. A server that differs is an upgrade that has not ended.
            + ("" if name in cluster.servers else f"; --limit 'all,localhost,!{name}' lets it wait"),
        )
        for name, look in facts.items()
        if look["k3s_units"] and versions.get(name, cluster.k3s_version) != cluster.k3s_version
    ]
