"""What commands share: options, the database, output for people and for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console

from data_miner.config import AppConfig, load_app_config, load_resolved, validate
from data_miner.db.connect import Connection, connect, database_url
from data_miner.db.migrate import check_schema
from data_miner.db.projects import project_names
from data_miner.errors import ConfigError, MinerError, Problem
from data_miner.store import Store

#: the configuration that is mounted into a worker
MOUNTED = "DATA_MINER_CONFIG"


def examples(*commands: str) -> str:
    """Return the end of a command's help; each example is a paragraph."""
    return "\n\n".join(["Examples:", *commands])


def complete_project(incomplete: str) -> list[str]:
    """Return the projects that the shell may offer; none where the database is not to be had."""
    try:
        with database() as connection:
            return [name for name in project_names(connection) if name.startswith(incomplete)]
    except (MinerError, psycopg.Error):
        return []


ProjectArgument = Annotated[
    str, typer.Argument(help="Name of the project.", autocompletion=complete_project, show_default=False)
]
ProjectOption = Annotated[
    str | None, typer.Option("--project", "-p", help="Only this project.", autocompletion=complete_project)
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of tables.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
]
#: of commands that look at a local run as well as at a cluster
LocalOption = Annotated[
    Path | None,
    typer.Option("--local", help="Output directory of a local run, instead of the database in DATABASE_URL."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def database() -> Connection:
    """Connect to the database with a schema that this program knows.

    Raises:
        MinerError: it is away, or its schema is not ours.
    """
    connection = connect(database_url(), name="cli")
    try:
        check_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def opened(local: Path | None) -> Iterator[Connection]:
    """Connect to the database of a local run, going on or not; or to the one that DATABASE_URL names.

    Raises:
        MinerError: it is away, its schema is not ours, or the directory is of no local run.
    """
    if local is None:
        with database() as connection:
            yield connection
        return
    from data_miner.local.postgres import embedded  # noqa: PLC0415 - only for local runs

    postgres = local_config(local).with_name("postgres").absolute()
    with embedded(postgres, others=True) as url, connect(url, name="cli") as connection:
        yield connection


def local_config(directory: Path) -> Path:
    """Return the configuration of a local run.

    Raises:
        MinerError: it is no output directory of one.
    """
    file = directory / "local" / "config.yaml"
    if not file.is_file():
        raise MinerError(f"{directory} is no output directory of `data-miner run --local`")
    return file


def run_config_file(path: Path) -> Path:
    """Return where a run config is read from; ``-`` is standard input."""
    return Path("/dev/stdin") if path == Path("-") else path


def known(connection: Connection, project: str) -> None:
    """Check that there is such a project.

    Raises:
        MinerError: there is none; names those that there are.
    """
    names = project_names(connection)
    if project not in names:
        raise MinerError(f"no project {project}; there are: {', '.join(names) or 'none yet'}")


def load_config(run_config: Path | None) -> AppConfig:
    """Return the configuration to work with: a run config with the defaults below it, or the mounted file.

    Raises:
        ConfigError: neither is given, or it is not valid.
    """
    if run_config is not None:
        return validate(load_app_config(run_config))
    if mounted := os.environ.get(MOUNTED):
        return load_resolved(Path(mounted))
    hint = f"pass --config run_configs/demo.yaml or set {MOUNTED}"
    raise ConfigError([Problem(file="command line", message="no configuration given", hint=hint)])


def store_of(config: AppConfig) -> Store:
    """Return where a project's files lie: where this process has them, else where the project put them."""
    mounted = os.environ.get(MOUNTED)
    root = load_resolved(Path(mounted)).output_dir if mounted else config.output_dir
    mount = os.environ.get("DATA_MINER_SHARED_MOUNT")
    return Store(root, mount=Path(mount) if mount else None)


def print_json(data: Any) -> None:
    """Print data for programs."""
    typer.echo(json.dumps(data, indent=2))


def out() -> Console:
    """Return where people read results."""
    return Console()
