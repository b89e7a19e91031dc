"""The commands: they parse, call, and print."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_miner.cli import config as config_commands
from data_miner.cli.errors import MinerGroup
from data_miner.cli.status import print_status, status_json
from data_miner.config import AppConfig, Stage, load_app_config, load_resolved, validate
from data_miner.db.connect import Connection, connect, connect_patiently, database_url
from data_miner.db.migrate import check_schema, migrate
from data_miner.db.projects import dead_items, project_names, read_status
from data_miner.errors import ConfigError, MinerError, Problem
from data_miner.queue import leases

app = typer.Typer(
    cls=MinerGroup, no_args_is_help=True, help="Mines videos for frames.", pretty_exceptions_enable=False
)
db = typer.Typer(no_args_is_help=True, help="The database's schema.")
app.add_typer(db, name="db")
app.add_typer(config_commands.app, name="config")

#: workers report every queue.heartbeat_s (10 s by default); three misses and one is taken for gone
ALIVE_S = 30.0

RunConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="Run config; without it, the file in DATA_MINER_CONFIG.")
]
ProjectOption = Annotated[str | None, typer.Option("--project", "-p", help="Only this project.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of tables.")]


@app.command()
def status(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show what was found, what is done, what waits, and who works."""
    with _database() as connection:
        if project is not None:
            _known(connection, project)
        current = read_status(connection, project=project, alive_s=ALIVE_S)
    if as_json:
        typer.echo(json.dumps(status_json(current), indent=2))
    else:
        print_status(current, Console())


@app.command()
def projects() -> None:
    """List the projects."""
    with _database() as connection:
        for name in project_names(connection):
            typer.echo(name)


@app.command()
def failed(
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
) -> None:
    """List a project's dead letters and why they failed."""
    with _database() as connection:
        _known(connection, project)
        rows = dead_items(connection, project, limit=limit)
    table = Table("stage", "item", "attempts", "reason")
    for row in rows:
        table.add_row(row["stage"], escape(row["key"]), str(row["attempts"]), escape(row["error"] or ""))
    Console().print(table)


@app.command()
def retry(
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    stage: Annotated[Stage | None, typer.Option(help="Only this stage.")] = None,
) -> None:
    """Make a project's dead letters ready again."""
    with _database() as connection:
        _known(connection, project)
        typer.echo(f"{leases.retry(connection, project, stage)} items are ready again")


@app.command()
def worker(
    stage: Annotated[str, typer.Argument(help="download, extract or monitor")],
    config: RunConfig = None,
) -> None:
    """Work on a stage's items until stopped (SIGTERM finishes or gives back the current one)."""
    from data_miner.workers.registry import run_worker  # noqa: PLC0415 - yt-dlp and av are slow to import

    run_worker(stage, _config(config))


@db.command("migrate")
def db_migrate(
    wait_s: Annotated[float, typer.Option(min=0, help="How long to wait for a database that is away.")] = 0,
) -> None:
    """Bring the schema up to this program's version; safe to run again and by several at once."""
    with connect_patiently(database_url(), name="migrate", wait_s=wait_s) as connection:
        applied = migrate(connection)
    for migration in applied:
        typer.echo(f"applied {migration.version:04} {migration.name}")
    if not applied:
        typer.echo("the schema is up to date")


def _known(connection: Connection, project: str) -> None:
    """Check that there is such a project.

    Raises:
        MinerError: there is none; names those that there are.
    """
    names = project_names(connection)
    if project not in names:
        raise MinerError(f"no project {project}; there are: {', '.join(names) or 'none yet'}")


def _database() -> Connection:
    connection = connect(database_url(), name="cli")
    check_schema(connection)
    return connection


def _config(run_config: Path | None) -> AppConfig:
    """Return the configuration to work with: a run config with the defaults below it, or the mounted file.

    Raises:
        ConfigError: neither is given, or it is not valid.
    """
    if run_config is not None:
        return validate(load_app_config(run_config))
    if mounted := os.environ.get("DATA_MINER_CONFIG"):
        return load_resolved(Path(mounted))
    hint = "pass --config run_configs/demo.yaml or set DATA_MINER_CONFIG"
    raise ConfigError([Problem(file="command line", message="no configuration given", hint=hint)])
