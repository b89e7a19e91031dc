"""The command itself, and the commands that run inside the pods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_miner.cli import config as config_commands
from data_miner.cli import doctor, export, page, projects, remove, run
from data_miner.cli.common import examples, load_config
from data_miner.cli.errors import CODES, MinerGroup
from data_miner.db.connect import connect_patiently, database_url
from data_miner.db.migrate import migrate

app = typer.Typer(
    cls=MinerGroup,
    no_args_is_help=True,
    help="Mines videos for frames.",
    epilog=CODES,
    pretty_exceptions_enable=False,
)
db = typer.Typer(no_args_is_help=True, help="The database's schema.")

projects.register(app)
export.register(app)
remove.register(app)
page.register(app)
doctor.register(app)
run.register(app)
app.add_typer(config_commands.app, name="config")
app.add_typer(db, name="db")

RunConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="Run config; without it, the file in DATA_MINER_CONFIG.")
]


@app.command(
    epilog=examples("data-miner worker extract", "data-miner worker download --config run_configs/demo.yaml")
)
def worker(
    stage: Annotated[str, typer.Argument(help="download, extract, filter, dedup, detect or monitor")],
    config: RunConfig = None,
) -> None:
    """Work on a stage's items until stopped (SIGTERM finishes or gives back the current one)."""
    from data_miner.workers.registry import run_worker  # noqa: PLC0415 - yt-dlp and av are slow to import

    run_worker(stage, load_config(config))


@db.command("migrate", epilog=examples("data-miner db migrate", "data-miner db migrate --wait-s 60"))
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
