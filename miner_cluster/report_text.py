"""A cluster's state for people: at a glance, also where there are a thousand machines.

Up to ``GLANCE`` lines of a kind are all shown; of more those that are not well, and the others are counted.
Programs get everything, see ``Report``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from miner_cluster.report import Report, busy, given_up, why_given_up
from miner_cluster.text_table import table

GIB = 1 << 30
MIB = 1 << 20
#: lines of one kind
GLANCE = 20
#: names of machines in one line, and how many of them where there are more
_NAMES, _FIRST = 6, 3
#: enough of an image's ID to tell it from others, as podman and docker show it
_ID_SHOWN = len("sha256:") + 12
_STATES = ("ready", "leased", "done", "skipped", "dead")
_MOUNTED = {True: "mounted", False: "NOT MOUNTED", None: "?"}
_EVERYTHING = "all of them: make status-json"


def as_text(report: Report) -> str:
    """Return the report for people."""
    problems = report["problems"]
    state = "everything runs" if not problems else f"{len(problems)} problem{'s' * (len(problems) > 1)}"
    ends = {
        "the shared storage": report["storage_certificates_end"],
        "k3s": report["k3s_certificates_end"],
    }
    parts = [
        [
            f"cluster {report['cluster']}, k3s {report['k3s_version']}: {state}",
            *([f"changing now: {report['at_work']}"] if report["at_work"] else []),
        ],
        table(
            ("node", "role", "state", "pods", "data disk free", "stored", "shared storage"),
            _node_rows(report["nodes"]),
        ),
        _shared_line(report["shared"]),
        table(("workload", "ready", "on"), _workload_rows(report["workloads"], report["nodes"])),
        table(
            ("image", "ID", "on"),
            [
                (image, image_id[:_ID_SHOWN], _places(where))
                for image, ids in sorted(report["images"].items())
                for image_id, where in ids.items()
            ],
        ),
        [f"certificates of {what}: valid until {end}" for what, end in ends.items() if end],
        [f"last backup: {_moment(report['last_backup']) or 'none; make one with: make backup'}"],
    ]
    parts += [_project(name, project, report["namespace"]) for name, project in report["projects"].items()]
    if report["pages"]:
        addresses = (f"  {address}  {name}" for name, address in report["pages"].items())
        parts.append(["pages (logins: ansible-playbook playbooks/credentials.yml):", *addresses])
    parts += [
        _sentences("stand-ins here:", report["stand_ins"]),
        _sentences("drift, which site.yml takes back:", report["drift"]),
        _sentences("warnings:", report["warnings"]),
        _sentences("problems:", problems),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _sentences(title: str, sentences: Sequence[str]) -> list[str]:
    if not sentences:
        return []
    shown = sentences if len(sentences) <= GLANCE else sentences[: GLANCE - 1]
    more = len(sentences) - len(shown)
    lines = [line for sentence in shown for line in sentence.splitlines()]
    return [
        title,
        *(f"  {line}" for line in [*lines, *([f"and {more} more; {_EVERYTHING}"] if more else [])]),
    ]


def _node_rows(nodes: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return a row for each machine; of many only for those that are not well, and one for the others."""
    if len(nodes) <= GLANCE:
        return [_node_row(node) for node in nodes]
    alone = [node for node in nodes if not _is_well(node)][: GLANCE - 1]
    names = {node["name"] for node in alone}
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for node in nodes:
        if node["name"] not in names:
            alike.setdefault((node["role"], node["state"], _MOUNTED[node["mounted"]]), []).append(node)
    return [*map(_node_row, alone), *(_nodes_row(*group) for group in alike.items())]


def _is_well(node: Mapping[str, Any]) -> bool:
    return node["state"] == "Ready" and node["mounted"] is True


def _node_row(node: Mapping[str, Any]) -> tuple[str, ...]:
    named = (node["name"], node["role"], node["state"], str(node["pods"]))
    return *named, _disk(node), _stored(node), _MOUNTED[node["mounted"]]


def _nodes_row(alike: tuple[str, ...], nodes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return one row for machines of the same role that are in the same state."""
    role, state, mounted = alike
    known = [node for node in nodes if node["free_bytes"] is not None]
    disk = "?"
    if known:
        least = min(known, key=lambda node: int(node["free_bytes"]))
        disk = f"{least['free_bytes'] / GIB:.1f} GiB or more ({least['name']})"
    stored = sum(node["stored_bytes"] or 0 for node in nodes) / GIB
    name = nodes[0]["name"] if len(nodes) == 1 else f"{len(nodes)} machines"
    return name, role, state, str(sum(node["pods"] for node in nodes)), disk, f"{stored:.1f} GiB", mounted


def _workload_rows(
    workloads: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]]
) -> list[tuple[str, ...]]:
    """Return a row for each workload, and one for all volume servers that run, where there are many."""
    own = {f"volume-{node['name']}" for node in nodes}
    alike = [w for w in workloads if w["name"].rpartition("/")[2] in own and w["ready"] >= w["wanted"]]
    if len(alike) <= GLANCE:
        alike = []
    names = {workload["name"] for workload in alike}
    shown = [workload for workload in workloads if workload["name"] not in names]
    rows: list[tuple[str, ...]] = [
        (w["name"], f"{w['ready']}/{w['wanted']}", _places(w["nodes"]))
        for w in sorted(shown, key=lambda w: w["ready"] >= w["wanted"])[:GLANCE]
    ]
    if len(shown) > GLANCE:
        rows.append((f"and {len(shown) - GLANCE} more", "", _EVERYTHING))
    if alike:
        space = alike[0]["name"].partition("/")[0]
        ready, wanted = (sum(w[key] for w in alike) for key in ("ready", "wanted"))
        places = sorted({node for w in alike for node in w["nodes"]})
        rows.append((f"{space}/volume-…, {len(alike)} of them", f"{ready}/{wanted}", _places(places)))
    return rows


def _places(names: Sequence[str]) -> str:
    if len(names) <= _NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:_FIRST])} and {len(names) - _FIRST} more"


def _disk(node: Mapping[str, Any]) -> str:
    if node["free_bytes"] is None or node["total_bytes"] is None:
        return "?"
    return f"{node['free_bytes'] / GIB:.1f} of {node['total_bytes'] / GIB:.1f} GiB"


def _stored(node: Mapping[str, Any]) -> str:
    if node["stored_bytes"] is None:
        return "?"
    limit_mb = node["disk_limit_mb"]
    of = f"of {limit_mb / 1024:.1f} GiB" if limit_mb else "GiB, no limit"
    return f"{node['stored_bytes'] / GIB:.1f} {of}"


def _shared_line(shared: Mapping[str, Any] | None) -> list[str]:
    if shared is None:
        return []
    used = (shared["total_bytes"] - shared["free_bytes"]) / GIB
    return [
        f"shared storage: {used:.1f} of {shared['total_bytes'] / GIB:.1f} GiB used "
        f"({shared['used_percent']:g} %), all copies counted"
    ]


def _project(name: str, project: Mapping[str, Any], namespace: str) -> list[str]:
    size = project["bytes"]
    amount = f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"
    rows = [
        (stage, *(str(counts[state]) for state in _STATES)) for stage, counts in project["stages"].items()
    ]
    lines = [f"project {name}: {project['videos']} videos ({amount}), {project['frames']} frames"]
    lines += table(("stage", *_STATES), rows)
    lines += (
        f"skipped by {row['stage']}: {row['items']}, {row['reason']}" for row in project.get("skipped", ())
    )
    if project["frames"] == 0 and (left := busy(project)):
        lines.append(f"still working: no frames yet, items to do: {left}")
    if dead := given_up(project):
        lines.append(f"{dead} items were given up; why: {why_given_up(name, namespace)}")
    return lines + _done(project.get("nodes", {}))


def _done(nodes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Say how much was done on each machine, those with the most first; of many, on the others together."""
    most = sorted(nodes, key=lambda name: -sum(nodes[name].values())) if len(nodes) > GLANCE else list(nodes)
    shown, others = (most, []) if len(nodes) <= GLANCE else (most[: GLANCE - 1], most[GLANCE - 1 :])
    lines = [f"done on {name}: {_counts(nodes[name])}" for name in shown]
    together: dict[str, int] = {}
    for name in others:
        for stage, count in nodes[name].items():
            together[stage] = together.get(stage, 0) + count
    return lines + ([f"done on {len(others)} more: {_counts(together)}"] if others else [])


def _counts(stages: Mapping[str, int]) -> str:
    return ", ".join(f"{stage} {count}" for stage, count in stages.items())


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else ""
