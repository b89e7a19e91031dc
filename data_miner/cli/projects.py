"""Looking at projects and steering them: status, projects, failed, retry, pause, resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from data_miner.cli.common import (
    JsonOption,
    LocalOption,
    ProjectArgument,
    ProjectOption,
    database,
    examples,
    known,
    opened,
    out,
    print_json,
)
from data_miner.cli.status import print_status, status_json
from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.db.projects import dead_items, project_names, read_status
from data_miner.db.rates import read_rates
from data_miner.db.reasons import read_reasons
from data_miner.queue import leases, pauses

#: workers report every queue.heartbeat_s (10 s by default); three misses and one is taken for gone
ALIVE_S = 30.0

StageOption = Annotated[Stage | None, typer.Option(help="Only this stage.")]
StagesOption = Annotated[
    list[Stage] | None, typer.Option("--stage", help="Only this stage; may be repeated.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "data-miner status", "data-miner status -p glass_door --json", "data-miner status --local OUT"
        )
    )(status)
    app.command(epilog=examples("data-miner projects", "data-miner projects --json"))(projects)
    app.command(epilog=examples("data-miner failed glass_door", "data-miner failed glass_door --limit 5"))(
        failed
    )
    app.command(
        epilog=examples("data-miner retry glass_door", "data-miner retry glass_door --stage download")
    )(retry)
    app.command(
        epilog=examples("data-miner pause glass_door", "data-miner pause glass_door --stage download")
    )(pause)
    app.command(
        epilog=examples("data-miner resume glass_door", "data-miner resume glass_door --stage detect")
    )(resume)


def status(project: ProjectOption = None, local: LocalOption = None, as_json: JsonOption = False) -> None:
    """Show what was found, what is done, what waits and why, how fast it goes, and who works."""
    with opened(local) as connection:
        if project is not None:
            known(connection, project)
        current = read_status(connection, project=project, alive_s=ALIVE_S)
        rates = read_rates(connection, project=project)
        paused = pauses.paused(connection, project)
        reasons = read_reasons(connection, [row["project"] for row in current.projects])
    if as_json:
        print_json(status_json(current, rates, paused, reasons))
    else:
        print_status(current, rates, paused, reasons, out())


def projects(as_json: JsonOption = False) -> None:
    """List the projects."""
    with database() as connection:
        names = project_names(connection)
    if as_json:
        print_json(names)
        return
    for name in names:
        typer.echo(name)


def failed(
    project: ProjectArgument,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
    local: LocalOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a project's dead letters and why they failed."""
    with opened(local) as connection:
        known(connection, project)
        rows = dead_items(connection, project, limit=limit)
    if as_json:
        print_json(rows)
        return
    table = Table("stage", "item", "attempts", "reason")
    for row in rows:
        table.add_row(row["stage"], escape(row["key"]), str(row["attempts"]), escape(row["error"] or ""))
    out().print(table)


def retry(
    project: ProjectArgument,
    stage: StageOption = None,
    local: LocalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project's dead letters ready again."""
    with opened(local) as connection:
        known(connection, project)
        ready = leases.retry(connection, project, stage)
    if as_json:
        print_json({"ready": ready})
    else:
        typer.echo(f"{ready} items are ready again")


def pause(project: ProjectArgument, stage: StagesOption = None, as_json: JsonOption = False) -> None:
    """Let nobody begin with a project's items; what is being worked on is finished."""
    _steer(pauses.pause, project, stage, as_json=as_json)


def resume(project: ProjectArgument, stage: StagesOption = None, as_json: JsonOption = False) -> None:
    """Go on with what was paused."""
    _steer(pauses.resume, project, stage, as_json=as_json)


def _steer(
    change: Callable[[Connection, str, Sequence[Stage]], set[Stage]],
    project: str,
    stages: list[Stage] | None,
    *,
    as_json: bool,
) -> None:
    with database() as connection:
        known(connection, project)
        change(connection, project, stages or list(Stage))
        paused = pauses.paused(connection, project).get(project, [])
    if as_json:
        print_json({"paused": paused})
    else:
        typer.echo(f"{project}: " + (f"paused: {', '.join(paused)}" if paused else "nothing is paused"))
