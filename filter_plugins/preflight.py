"""Filters of preflight: what to look at on a machine, and what of it is in the way."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster import preflight
from miner_cluster.cluster import as_cluster
from miner_cluster.first_server import first_server_dirs, moved_troubles


def preflight_wants(cluster: Any, name: str) -> dict[str, Any]:
    """Return the arguments of ``node_check`` for a machine."""
    typed = as_cluster(cluster)
    node = typed.nodes[name]
    return {
        "paths": preflight.wanted_paths(typed, node),
        "ports": preflight.wanted_ports(typed, node),
        "volume_dir": f"{typed.seaweedfs.data_dir}/volume",
        "data_dirs": first_server_dirs(typed),
    }


def preflight_problems(
    cluster: Any,
    looks: Mapping[str, Mapping[str, Any]],
    away: Mapping[str, str],
    sent_s: float,
    hf_token_for: Mapping[str, str],
) -> str:
    """Return everything in the way as one text; empty where nothing is.

    Args:
        cluster: the variable ``cluster``.
        looks: of each machine of this run the result of ``node_check``, or of what failed in its place.
        away: of each machine that can't be reached the reason.
        sent_s: the controller's clock before the machines were asked.
        hf_token_for: the models for which HF_TOKEN is needed and missing.

    Raises:
        AnsibleFilterError: the first server has no result.
    """
    typed, arch, now_s = as_cluster(cluster), platform.machine(), time.time()
    if typed.servers[0] not in looks:
        raise AnsibleFilterError(f"preflight_problems: no result for {typed.servers[0]}, only {list(looks)}")
    troubles = [preflight.token_trouble(hf_token_for)] if hf_token_for else []
    facts = {name: look["facts"] for name, look in looks.items() if "facts" in look}
    for name in [name for name in typed.nodes if name in looks]:
        if name in away:
            troubles.append(preflight.away_trouble(typed, name, away[name]))
        elif name in facts:
            troubles += preflight.node_troubles(
                typed, name, facts[name], arch=arch, sent_s=sent_s, received_s=now_s
            )
        else:
            troubles.append(preflight.login_trouble(typed, name, str(looks[name].get("msg", looks[name]))))
    troubles += moved_troubles(typed, facts)
    return preflight.as_text(troubles + preflight.capacity_troubles(typed, facts))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"preflight_wants": preflight_wants, "preflight_problems": preflight_problems}
