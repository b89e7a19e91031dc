"""Hosts, groups and variables of an Ansible inventory, from a cluster."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from data_miner.errors import Problem
from miner_cluster.cluster import Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file

#: of the directory of kept connections: a socket's path has 107 bytes, 28 of which are the name that Ansible
#: gives it and what ssh adds while it connects
_CONNECTIONS_LONGEST = 79


class HostVars(TypedDict):
    """The variables of one machine."""

    ansible_host: str
    ansible_port: int
    ansible_user: str
    ansible_ssh_private_key_file: str
    ansible_ssh_common_args: str
    ansible_control_path_dir: str
    node: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What the inventory plugin hands to Ansible."""

    cluster: dict[str, Any]
    hosts: dict[str, HostVars]
    groups: dict[str, list[str]]
    warnings: list[Problem]


def load_inventory(path: Path, *, run_config: str | None = None) -> Inventory:
    """Read a cluster_config.yaml as an inventory.

    Raises:
        ConfigError: with every problem of the file.
    """
    loaded = load_cluster_file(path)
    cluster = resolve_cluster(loaded.file, config_file=path, run_config=run_config)
    plain = cluster.plain()
    return Inventory(
        cluster=plain,
        hosts={name: _host_vars(cluster, node) for name, node in plain["nodes"].items()},
        groups=groups(cluster),
        warnings=loaded.warnings,
    )


def groups(cluster: Cluster) -> dict[str, list[str]]:
    """Return the members of each group. Every node is a server or an agent."""
    nodes = cluster.nodes.values()
    return {
        "server": [node.name for node in nodes if node.role == "server"],
        "agent": [node.name for node in nodes if node.role == "agent"],
        "gpu": [node.name for node in nodes if node.gpu],
        "storage_only": [node.name for node in nodes if node.storage_only],
        # Filled while site.yml runs, with machines that are not in the file any more.
        "gone": [],
        # The servers among them, as long as they may have the API's address.
        "leaving_servers": [],
        # Filled likewise, with machines that the roles need not look at.
        "as_wanted": [],
        # Filled while playbooks/upgrade.yml runs, with machines that get another k3s.
        "upgraded_servers": [],
        "upgraded_agents": [],
        # As many as are begun together.
        "upgraded_first": [],
    }


def _host_vars(cluster: Cluster, node: dict[str, Any]) -> HostVars:
    known_hosts = _quoted(Path(cluster.state_dir) / "known_hosts")
    options = f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes"
    # Of this cluster alone: a kept connection is found by its address, which other machines may have by now.
    connections = Path("~/.ansible", "cp" + hashlib.sha256(cluster.state_dir.encode()).hexdigest()[:8])
    if len(os.fsencode(connections.expanduser())) > _CONNECTIONS_LONGEST:
        options += " -o ControlPath=none"  # each task logs in anew, which takes longer and works
    return {
        "ansible_host": node["ip"],
        "ansible_port": cluster.ssh.port,
        "ansible_user": cluster.ssh.user,
        "ansible_ssh_private_key_file": cluster.ssh.key,
        "ansible_ssh_common_args": options,
        "ansible_control_path_dir": str(connections),
        "node": node,
    }


def _quoted(path: Path) -> str:
    """Quote a path for ssh's options, which split at spaces, within a command line that Ansible splits."""
    return f"'\"{path}\"'" if " " in str(path) else str(path)
