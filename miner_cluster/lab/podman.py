"""podman with the flags that this machine needs."""

from __future__ import annotations

from collections.abc import Sequence

from miner_cluster.lab.commands import run
from miner_cluster.lab.containers import engine_flags
from miner_cluster.lab.model import Host


def podman(host: Host, *argv: str, ok: Sequence[int] = (0,)) -> str:
    """Run podman and return what it prints.

    Raises:
        LabError: it ended with another code than ``ok``.
    """
    return run("podman", *engine_flags(host), *argv, ok=ok)
