"""Removing data: a whole project, or old frames that its dataset does without."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_miner.cli.common import (
    MOUNTED,
    DryRunOption,
    JsonOption,
    ProjectArgument,
    YesOption,
    database,
    examples,
    known,
    print_json,
    store_of,
)
from data_miner.config import load_resolved
from data_miner.db.projects import project_config
from data_miner.db.retention import item_counts
from data_miner.errors import MinerError
from data_miner.readable import size

if TYPE_CHECKING:
    from data_miner.retention import Removal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "delete-project",
        epilog=examples(
            "data-miner delete-project glass_door --dry-run", "data-miner delete-project glass_door --yes"
        ),
    )(delete)
    app.command(
        "prune",
        epilog=examples(
            "data-miner prune glass_door --days 30 --dry-run", "data-miner prune glass_door --days 30 --yes"
        ),
    )(prune_frames)


def delete(
    project: ProjectArgument,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    wait_s: Annotated[float, typer.Option(min=0, help="How long to wait for what is being worked on.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """Remove a project: its items, its results, and videos and frames that no other project has.

    It is paused first. Exports that lie elsewhere stay.
    """
    from data_miner.retention import delete_project, plan_deletion  # noqa: PLC0415 - numpy is slow to import

    _refuse_deployed(project)
    with database() as connection:
        known(connection, project)
        store = store_of(project_config(connection, project))
        items, _ = item_counts(connection, project)
        removal = plan_deletion(connection, store, project)
        what = f"project {project} with {items} items"
        if not dry_run:
            _confirm(f"Remove {what} and {_told(removal)}?", yes=yes)
            removal = delete_project(connection, store, project, wait_s=wait_s)
    _report(removal, what, dry_run=dry_run, as_json=as_json)


def prune_frames(
    project: ProjectArgument,
    days: Annotated[float, typer.Option(min=0, help="Frames that were cut longer ago than this.")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove old frames that the dataset does without; results, scores and the dataset's frames stay.

    Frames that are gone can't become part of the dataset when thresholds change; other parameters of extract
    cut new ones.
    """
    from data_miner.retention import plan_pruning, prune  # noqa: PLC0415 - numpy is slow to import

    with database() as connection:
        known(connection, project)
        config = project_config(connection, project)
        store = store_of(config)
        removal = plan_pruning(connection, store, config, days=days)
        what = f"frames of {project} older than {days:g} days"
        if not dry_run and removal.paths:
            _confirm(f"Remove {_told(removal)}: {what}?", yes=yes)
            removal = prune(connection, store, config, days=days)
    _report(removal, what, dry_run=dry_run, as_json=as_json)


def _refuse_deployed(project: str) -> None:
    """Refuse to remove the project that the monitor would make anew within a minute.

    Raises:
        MinerError: it is that project.
    """
    mounted = os.environ.get(MOUNTED)
    if mounted and load_resolved(Path(mounted)).project == project:
        raise MinerError(
            f"project {project} is the one that this cluster is deployed with, and its monitor would make it "
            "anew; deploy another one first: ansible-playbook site.yml -e run_config=PATH"
        )


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort as error:
        if sys.stdin.isatty():
            raise
        raise MinerError("nothing was removed, as nobody answered; without a terminal pass --yes") from error


def _told(removal: Removal) -> str:
    return f"{removal.files} files ({size(removal.bytes)})"


def _report(removal: Removal, what: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(removal), "paths": [str(path) for path in removal.paths], "dry_run": dry_run})
        return
    verb = "would remove" if dry_run else "removed"
    typer.echo(f"{verb} {_told(removal)}: {what}")
