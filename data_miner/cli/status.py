"""How ``data-miner status`` looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from data_miner.config import Stage
from data_miner.db.projects import STATES, Status, stage_counts
from data_miner.db.rates import Rate
from data_miner.db.reasons import Reasons
from data_miner.queue.items import State
from data_miner.readable import duration, size

Rates = Mapping[tuple[str, str], Rate]
Paused = Mapping[str, Sequence[Stage]]

_BAR = 8


def node_counts(status: Status, project: str) -> dict[str, dict[str, int]]:
    """Return what the workers of each machine finished as {node: {stage: number}}."""
    counts: dict[str, dict[str, int]] = {}
    for row in status.nodes:
        if row["project"] == project:
            counts.setdefault(row["node"], {})[row["stage"]] = int(row["items"])
    return counts


def status_json(
    status: Status, rates: Rates, paused: Paused, reasons: Mapping[str, Reasons]
) -> dict[str, Any]:
    """Return the status for programs; projects by name."""
    return {
        "projects": {
            project["project"]: {
                "videos": project["videos"],
                "bytes": project["bytes"],
                "frames": project["frames"],
                "stages": stage_counts(status, project["project"]),
                "nodes": node_counts(status, project["project"]),
                "rates": {
                    stage: asdict(rate) for (name, stage), rate in rates.items() if name == project["project"]
                },
                "paused": list(paused.get(project["project"], [])),
                **asdict(reasons[project["project"]]),
            }
            for project in status.projects
        },
        "workers": status.workers,
        "blocked_sites": status.blocked_sites,
    }


def print_status(
    status: Status, rates: Rates, paused: Paused, reasons: Mapping[str, Reasons], console: Console
) -> None:
    """Print the status for people."""
    if not status.projects:
        console.print("No projects yet: the monitor adds the one in its configuration when it starts.")
    for project in status.projects:
        name = project["project"]
        title = f"{name}: {project['videos']} videos, {size(project['bytes'])}, {project['frames']} frames"
        console.print(stage_table(status, name, rates, paused.get(name, ()), title=title))
        for node, done in node_counts(status, name).items():
            console.print(f"  {node} did " + ", ".join(f"{stage} {number}" for stage, number in done.items()))
        for line in reason_lines(reasons[name]):
            console.print(f"  {line}", markup=False, highlight=False)
    _print_workers(status, console)
    for site in status.blocked_sites:
        text = f"{site['site']} refuses us, next try in {site['seconds']:.0f} s: {site['reason']}"
        console.print(escape(text))


def reason_lines(reasons: Reasons) -> list[str]:
    """Return in words why items wait, and why some were skipped."""
    return [
        *(f"waits: {reason}" for reason in reasons.waiting),
        *(f"{row['stage']} skipped {row['items']}: {row['reason']}" for row in reasons.skipped),
    ]


def stage_table(
    status: Status, project: str, rates: Rates, paused: Sequence[Stage], *, title: str | None = None
) -> Table:
    """Return a project's stages as a table: a bar for what is finished, the numbers, and how fast it goes."""
    table = Table(title=title, title_justify="left")
    table.add_column("stage", min_width=len("download"))
    table.add_column("progress", min_width=_BAR)
    for state in STATES:
        table.add_column(state.value, justify="right")
    table.add_column("/min", justify="right")
    table.add_column("left", justify="right")
    for stage, counts in stage_counts(status, project).items():
        total = sum(counts.values())
        finished = total - counts[State.READY] - counts[State.LEASED]
        rate = rates.get((project, stage))
        table.add_row(
            stage,
            ProgressBar(total=total, completed=finished, width=_BAR),
            *(_cell(state, counts[state.value]) for state in STATES),
            f"{rate.per_minute:g}" if rate and rate.per_minute else "·",
            "paused" if stage in paused else _left(rate, total - finished),
        )
    return table


def _left(rate: Rate | None, waiting: int) -> str:
    if not waiting:
        return "·"
    return "?" if rate is None or rate.eta_s is None else duration(rate.eta_s)


def _print_workers(status: Status, console: Console) -> None:
    nodes = {row["node"] for row in status.workers}
    title = f"{len(status.workers)} workers alive on {len(nodes)} nodes"
    if not status.workers:
        console.print(title)
        return
    table = Table("worker", "stage", "node", title=title, title_justify="left")
    table.add_column("item", justify="right")
    table.add_column("seen", justify="right")
    for row in status.workers:
        item = "" if row["item_id"] is None else str(row["item_id"])
        table.add_row(row["name"], row["stage"], row["node"], item, f"{row['seen_s']:.0f} s ago")
    console.print(table)


def _cell(state: State, number: int) -> str:
    if state is State.DEAD and number:
        return f"[red]{number}[/red]"
    return str(number) if number else "·"
