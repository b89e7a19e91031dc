"""Logging in to a machine as Ansible does, with a connection of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from miner_cluster.cluster import Cluster

TIMEOUT_S = 10
_AT_ONCE = 32


def login(cluster: Cluster, name: str, *, key: str | None = None) -> list[str]:
    """Return the command that runs a shell's command on a machine.

    Args:
        cluster: the configuration.
        name: of the machine.
        key: that alone is to be used; None for the cluster's own and whatever ssh has besides.
    """
    node, ssh = cluster.nodes[name], cluster.ssh
    options = [
        *("BatchMode=yes", f"ConnectTimeout={TIMEOUT_S}", "ServerAliveInterval=10", "ControlPath=none"),
        *(f'UserKnownHostsFile="{Path(cluster.state_dir) / "known_hosts"}"', "StrictHostKeyChecking=yes"),
        "PreferredAuthentications=publickey",
        *(("IdentitiesOnly=yes", "IdentityAgent=none") if key else ()),
    ]
    given = [word for option in options for word in ("-o", option)]
    return ["ssh", "-T", *given, "-p", str(ssh.port), "-i", key or ssh.key, f"{ssh.user}@{node.ip}"]


def refusals(cluster: Cluster, names: Iterable[str], key: str) -> dict[str, str]:
    """Log in to machines with a key alone, and return of each that does not let us in what ssh says."""

    def attempt(name: str) -> str:
        argv = [*login(cluster, name, key=key), "true"]
        done = subprocess.run(  # noqa: S603 - our own ssh
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return (" ".join(done.stderr.split()) or f"exit code {done.returncode}") if done.returncode else ""

    tried = list(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        said = dict(zip(tried, pool.map(attempt, tried), strict=True))
    return {name: text for name, text in said.items() if text}
