"""What preflight saw, in one picture: a row for each machine, then what is in the way and what may get there.

Pure: a filter hands the looks here, the playbook shows what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypedDict

from miner_cluster.cluster import Cluster
from miner_cluster.preflight import Trouble, as_text, size
from miner_cluster.surroundings import interface
from miner_cluster.text_table import table

_HEAD = (
    "machine",
    "address",
    "role",
    "system",
    "cores",
    "memory",
    "free disk",
    "interface, MTU",
    "clock",
    "GPUs",
    "state",
)
_UNKNOWN = "?"


class Report(TypedDict):
    """Everything that is shown, for programs."""

    cluster: str
    #: a row for each machine that this run is about
    machines: list[dict[str, Any]]
    #: what is in the way
    problems: list[dict[str, str]]
    #: what is well enough to begin with
    warnings: list[dict[str, str]]


def build(
    cluster: Cluster,
    names: Sequence[str],
    *,
    facts: Mapping[str, Mapping[str, Any]],
    away: Mapping[str, str],
    problems: Sequence[Trouble],
    warnings: Sequence[Trouble],
) -> Report:
    """Put the picture together.

    Args:
        cluster: the configuration.
        names: the machines that this run is about.
        facts: of each of them that could be looked at, as ``node_check`` returns them.
        away: of each machine that can't be reached the reason.
        problems: what is in the way.
        warnings: what may get there.
    """
    return Report(
        cluster=cluster.name,
        machines=[
            _machine(cluster, name, facts.get(name), away, problems)
            for name in cluster.nodes
            if name in names
        ],
        problems=[asdict(trouble) for trouble in problems],
        warnings=[asdict(trouble) for trouble in warnings],
    )


def report_text(report: Report) -> str:
    """Return the report for people, without the problems, which the run ends with."""
    parts = ["\n".join(table(_HEAD, [_row(machine) for machine in report["machines"]]))]
    if report["warnings"]:
        parts.append("warnings:\n" + as_text([Trouble(**warning) for warning in report["warnings"]]))
    return "\n\n".join(parts)


def _machine(
    cluster: Cluster,
    name: str,
    facts: Mapping[str, Any] | None,
    away: Mapping[str, str],
    problems: Sequence[Trouble],
) -> dict[str, Any]:
    node = cluster.nodes[name]
    known: dict[str, Any] = {}
    if facts:
        has = interface(node, facts)
        known = {
            "system": facts["os_name"],
            "cores": facts["cores"],
            "memory_bytes": facts["memory_bytes"],
            "free_bytes": facts["disks"][cluster.seaweedfs.data_dir]["free_bytes"],
            "interface": f"{has['interface']}, {has['mtu']}" if has else _UNKNOWN,
            "clock": next(iter(facts["clock"]), "its host's" if facts["container"] else "nobody"),
            "gpus": len(facts["nvidia"]["gpus"]),
        }
    own = sum(problem.where == name for problem in problems)
    state = f"{own} problem{'s' * (own > 1)}" if own else "ok"
    return {
        "name": name,
        "address": node.ip,
        "role": "storage" if node.storage_only else node.role,
        "state": "does not answer" if name in away else state,
        "facts": known,
    }


def _row(machine: Mapping[str, Any]) -> tuple[str, ...]:
    known = machine["facts"]
    shown = (
        (
            known["system"],
            str(known["cores"]),
            size(known["memory_bytes"]),
            size(known["free_bytes"]),
            known["interface"],
            known["clock"],
            str(known["gpus"]),
        )
        if known
        else (_UNKNOWN,) * 7
    )
    return machine["name"], machine["address"], machine["role"], *shown, machine["state"]
