"""``data-miner run``: mine what a run config describes, on the cluster or on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from data_miner.cli.common import MOUNTED, JsonOption, database, examples, print_json, run_config_file
from data_miner.cli.errors import DEAD_LETTERS
from data_miner.cli.progress import follow
from data_miner.config import AppConfig, Layer, load_app_config, load_resolved, load_yaml, validate
from data_miner.dataset.formats import Format
from data_miner.db.connect import Connection
from data_miner.db.projects import dead_items
from data_miner.errors import MinerError
from data_miner.queue.items import State
from data_miner.store import Store

#: what a run config can't know of the cluster that it runs on
_OF_THE_PLACE = ("output_dir", "models_dir", "device", "queue", "worker", "monitor", "logging")
_OF_THE_PLACE_FOR_DOWNLOADS = ("proxy", "extractor_args", "breaker")

#: of what failed for good, how many are named
_REASONS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "run",
        epilog=examples(
            "data-miner run run_configs/demo.yaml --local",
            "data-miner run my_project.yaml --local --output /data/mine",
            "data-miner run my_project.yaml --local --retry",
            "data-miner run my_project.yaml --wait",
            "data-miner run -",
        ),
    )(run)


def run(  # noqa: PLR0917 - typer reads the parameters by name
    config: Annotated[
        Path, typer.Argument(help="A run config; - reads it from standard input.", show_default=False)
    ],
    local: Annotated[
        bool, typer.Option("--local", help="On this machine, with a Postgres of its own and no cluster.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Instead of the configuration's output_dir; --local only."),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also try again what failed for good before; --local only.")
    ] = False,
    overrides: Annotated[
        Path | None, typer.Option(help="A file laid over the run config, as k3s_app_overrides are.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show the progress until all is done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Mine what a run config describes.

    On a cluster (DATABASE_URL says where) the project is queued for the workers, beside other projects. With
    --local everything runs here, and ends with an exported dataset; after Ctrl-C the same command goes on.
    """
    layer = Layer.from_source("overrides", load_yaml(overrides)) if overrides is not None else None
    loaded = validate(load_app_config(run_config_file(config), layer))
    if local:
        changes = {"output_dir": output} if output is not None else {}
        _mine_here(loaded.model_copy(update=changes), again=retry, as_json=as_json)
    elif retry:
        raise typer.BadParameter("--retry goes with --local; on a cluster there is `data-miner retry`")
    elif output is not None:
        raise typer.BadParameter("--output goes with --local; a cluster has its own")
    else:
        _queue(loaded, wait=wait, as_json=as_json)


def _mine_here(config: AppConfig, *, again: bool, as_json: bool) -> None:
    from data_miner.local.run import mining  # noqa: PLC0415 - yt-dlp and av are slow to import

    console = Console(stderr=True)

    def tell(text: str) -> None:
        console.print(text, highlight=False)

    try:
        with mining(config, again=again, tell=tell) as going:
            tell(f"mining {going.config.project}; logs are in {going.logs}")
            check, project = going.children.check, going.config.project
            counts = follow(going.connection, project, check=check, console=console)
            summary = _export(going.connection, going.config)
            dead = dead_items(going.connection, config.project, limit=_REASONS)
    except KeyboardInterrupt:
        tell(
            f"interrupted: what is done is kept in {config.output_dir.absolute()}, and the same command goes "
            "on from there"
        )
        raise
    for row in dead:
        typer.echo(f"{row['stage']} {row['key']}: {row['error']}", err=True)
    if as_json:
        print_json({"project": config.project, "stages": counts, "dataset": summary})
    elif summary is not None:
        typer.echo("{directory}: {frames} frames of {videos} videos with {objects} boxes".format(**summary))
    _end(config.project, counts)
    if summary is None:
        raise MinerError(f"project {config.project}: nothing that was found is part of the dataset")


def _export(connection: Connection, config: AppConfig) -> dict[str, Any] | None:
    """Write the dataset; None where nothing was found."""
    from data_miner.dataset.export import export  # noqa: PLC0415 - numpy is slow to import
    from data_miner.dataset.gather import gather  # noqa: PLC0415

    dataset = gather(connection, Store(config.output_dir, mount=None), config)
    if not dataset.frames:
        return None
    target = config.output_dir / "datasets" / config.project
    summary = export(dataset, target, list(Format), replace=target.exists())
    return {**summary, "directory": str(target)}


def _queue(config: AppConfig, *, wait: bool, as_json: bool) -> None:
    from data_miner.workers.monitor import seed  # noqa: PLC0415 - yt-dlp and av are slow to import

    with database() as connection:
        config = _placed(config)
        added = seed(connection, config)
        counts = None
        if wait:
            counts = follow(connection, config.project, check=lambda: None, console=Console(stderr=True))
    if as_json:
        print_json({"project": config.project, "new_items": added, "stages": counts})
    else:
        typer.echo(f"{config.project}: {added} new items; `data-miner status -p {config.project}` shows more")
    if counts is not None:
        _end(config.project, counts)


def _placed(config: AppConfig) -> AppConfig:
    """Return a project's configuration with what belongs to the cluster that this runs on, if it does."""
    mounted = os.environ.get(MOUNTED)
    if not mounted:
        return config
    place = load_resolved(Path(mounted))
    download = {key: getattr(place.download, key) for key in _OF_THE_PLACE_FOR_DOWNLOADS}
    changes = {key: getattr(place, key) for key in _OF_THE_PLACE}
    return config.model_copy(update={**changes, "download": config.download.model_copy(update=download)})


def _end(project: str, counts: dict[str, dict[str, int]]) -> None:
    """End with an exit code of its own where items failed for good."""
    if dead := sum(of_stage[State.DEAD] for of_stage in counts.values()):
        typer.echo(f"note: {dead} items of {project} failed for good", err=True)
        raise typer.Exit(DEAD_LETTERS)
