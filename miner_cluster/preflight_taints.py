"""Taints that somebody else has set and that the configuration wants otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from miner_cluster.preflight import Trouble


def taint_troubles(
    facts: Mapping[str, Mapping[str, Any]],
    away: Collection[str],
    conflicts: Mapping[str, Sequence[tuple[str, str]]],
) -> list[Trouble]:
    """Return what is in the way of taints, on nodes that this run would give some.

    A machine without k3s is a new one, and becomes another node under its name.

    Args:
        facts: of each machine that could be looked at, as ``node_check`` returns them.
        away: machines that can't be reached, whose nodes stay as they are.
        conflicts: of each node, what was found and what to do.
    """
    return [
        Trouble(where=name, found=found, remedy=remedy)
        for name, some in conflicts.items()
        if name not in away and not (name in facts and not facts[name]["k3s_units"])
        for found, remedy in some
    ]
