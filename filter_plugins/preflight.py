"""Filters of preflight: what to look at on a machine, and what of it is in the way."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster import preflight
from miner_cluster.as_wanted import ORIGINALS, secrets_key
from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.first_server import first_server_dirs, moved_troubles
from miner_cluster.preflight_report import build, report_text
from miner_cluster.preflight_taints import taint_troubles
from miner_cluster.preflight_versions import version_troubles
from miner_cluster.surroundings import surrounding_troubles, surrounding_warnings


def preflight_wants(cluster: Any, name: str) -> dict[str, Any]:
    """Return the arguments of ``node_check`` for a machine."""
    # What a server wants depends on how many there are.
    alone = cluster["nodes"][name]["role"] != "server"
    typed = as_cluster(cluster, nodes=[name] if alone else None)
    node = typed.nodes[name]
    return {
        "paths": preflight.wanted_paths(typed, node),
        "ports": preflight.wanted_ports(typed, node),
        "volume_dir": f"{typed.seaweedfs.data_dir}/volume",
        "data_dirs": first_server_dirs(typed),
        "digests": {
            "key": secrets_key(typed),
            "paths": [*ORIGINALS] if name in typed.servers[:1] else [],
        },
    }


def preflight_report(
    cluster: Any,
    looks: Mapping[str, Mapping[str, Any]],
    away: Mapping[str, str],
    sent_s: float,
    hf_token_for: Mapping[str, str],
    *,
    leave_out: bool = False,
    versions: Mapping[str, str] | None = None,
    taints: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> dict[str, Any]:
    """Return what was seen.

    ``report`` is for programs, ``text`` for people; ``problems`` is empty if none are in the way;
    ``left_out`` has of each machine that the run goes on without what to do about it, and ``left_out_text``
    those of them that the run was to do something on: --limit leaves out on purpose.

    Args:
        cluster: the variable ``cluster``.
        looks: of each machine of this run the result of ``node_check``, or of what failed in its place.
        away: of each machine that can't be reached the reason.
        sent_s: the controller's clock before the machines were asked.
        hf_token_for: the models for which HF_TOKEN is needed and missing.
        leave_out: whether machines that can't be reached are left out, where all others can go on.
        versions: of each node of the cluster, the version of k3s that it runs, where that matters.
        taints: of each node, taints of others that forbid those of the configuration: what was found
            and what to do.

    Raises:
        AnsibleFilterError: the first server has no result.
    """
    typed = as_cluster(cluster)
    if typed.servers[0] not in looks:
        raise AnsibleFilterError(f"preflight_report: no result for {typed.servers[0]}, only {list(looks)}")
    facts = {name: look["facts"] for name, look in looks.items() if "facts" in look}
    problems = [preflight.token_trouble(hf_token_for)] if hf_token_for else []
    for name in [name for name in typed.nodes if name in looks]:
        problems += _machine(typed, name, looks[name], away, sent_s)
    problems += moved_troubles(typed, facts) + preflight.capacity_troubles(typed, facts)
    problems += version_troubles(typed, facts, versions or {})
    problems += taint_troubles(facts, away, taints or {})
    warnings = surrounding_warnings(typed, facts)
    report = build(typed, list(looks), facts=facts, away=away, problems=problems, warnings=warnings)
    left_out = preflight.left_out(typed, away) if leave_out else []
    ours = [trouble for trouble in left_out if trouble.where in looks]
    in_the_way = any(trouble not in left_out for trouble in problems)
    return {
        "report": report,
        "text": report_text(report),
        "problems": preflight.as_text(problems) if in_the_way else "",
        "left_out": {trouble.where: f"{trouble.found}; {trouble.remedy}" for trouble in left_out},
        "left_out_text": preflight.left_out_text(typed, ours),
    }


def _machine(
    cluster: Cluster, name: str, look: Mapping[str, Any], away: Mapping[str, str], sent_s: float
) -> list[preflight.Trouble]:
    """Return what is in the way on one machine."""
    if name in away:
        return [preflight.away_trouble(cluster, name, away[name])]
    if "facts" not in look:
        return [preflight.login_trouble(cluster, name, str(look.get("msg", look)))]
    facts, arch = look["facts"], platform.machine()
    return [
        *preflight.node_troubles(cluster, name, facts, arch=arch, sent_s=sent_s, received_s=time.time()),
        *surrounding_troubles(cluster, cluster.nodes[name], facts),
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"preflight_wants": preflight_wants, "preflight_report": preflight_report}
