"""Logging in to a machine as Ansible does, with a connection of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
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
        *(f'UserKnownHostsFile="{Path(cluster.state_dir) / "known_hosts"}"', "StrictHostKeyChecking=yes"),
        "PreferredAuthentications=publickey",
        *(("IdentitiesOnly=yes", "IdentityAgent=none") if key else ()),
    ]
    given = [word for option in options for word in ("-o", option)]
    return command(ssh.user, node.ip, port=ssh.port, key=key or ssh.key, given=given)


def command(user: str, address: str, *, port: int, key: str, given: Sequence[str]) -> list[str]:
    """Return the command that runs a shell's command at an address.

    Args:
        user: who logs in.
        address: where.
        port: of the SSH server.
        key: path of the private key.
        given: what ssh is told besides, about keys of hosts above all.
    """
    options = ("BatchMode=yes", f"ConnectTimeout={TIMEOUT_S}", "ServerAliveInterval=10", "ControlPath=none")
    ours = [word for option in options for word in ("-o", option)]
    return ["ssh", "-T", *ours, *given, "-p", str(port), "-i", key, f"{user}@{address}"]


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
