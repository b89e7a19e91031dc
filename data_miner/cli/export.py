"""``data-miner export``: a project's dataset as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from data_miner.cli.common import (
    JsonOption,
    LocalOption,
    ProjectArgument,
    examples,
    known,
    opened,
    print_json,
    store_of,
)
from data_miner.dataset.formats import Format
from data_miner.db.projects import project_config
from data_miner.db.retention import unfinished_items
from data_miner.errors import MinerError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "export",
        epilog=examples(
            "data-miner export glass_door --to /swdfs_mnt/swshared/exports/doors",
            "data-miner export glass_door --to doors --format coco,parquet --replace",
            "data-miner export demo --local data_miner_output --to doors",
        ),
    )(export_dataset)


def parse_formats(text: str) -> list[Format]:
    """Return the formats of a list such as ``coco,html``.

    Raises:
        typer.BadParameter: it names something else.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(Format)]
    if unknown or not names:
        raise typer.BadParameter(f"{', '.join(unknown) or 'nothing'} is none of {', '.join(Format)}")
    return [Format(name) for name in names]


def export_dataset(  # noqa: PLR0917 - typer reads the parameters by name
    project: ProjectArgument,
    to: Annotated[Path, typer.Option(help="The directory to make.", show_default=False)],
    formats: Annotated[
        str, typer.Option("--format", help="Some of coco, parquet, html, with commas.")
    ] = ",".join(Format),
    link: Annotated[
        bool,
        typer.Option(
            "--link",
            help="Link pictures to those in the store, where that can be; never edit such ones.",
        ),
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier export there.")] = False,
    local: LocalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a project's dataset: COCO with images, Parquet, a contact sheet, and a card with its provenance.

    It appears when it is complete; an interrupted export leaves DIR.partial, which the next one replaces.
    Pictures are copies, so what is done to them does not reach the store.
    """
    from data_miner.dataset.export import export  # noqa: PLC0415 - numpy is slow to import
    from data_miner.dataset.gather import gather  # noqa: PLC0415

    wanted = parse_formats(formats)
    with opened(local) as connection, _progress() as progress:
        known(connection, project)
        config = project_config(connection, project)
        store = store_of(config)
        if left := unfinished_items(connection, project):
            note = f"note: {left} items of {project} are not done yet; this is what there is so far"
            typer.echo(note, err=True)
        task = progress.add_task("reading frames", total=None)
        dataset = gather(connection, store, config, tick=lambda: progress.advance(task))
        if not dataset.frames:
            raise MinerError(_nothing(project, left))
        task = progress.add_task("writing images", total=len(dataset.frames))
        summary = export(dataset, to, wanted, link=link, replace=replace, tick=lambda: progress.advance(task))
    if as_json:
        print_json({**summary, "directory": str(to.absolute())})
        return
    counts = "{frames} frames of {videos} videos with {objects} boxes".format(**summary)
    typer.echo(f"{to.absolute()}: {counts}")


def _nothing(project: str, left: int) -> str:
    if left:
        return f"project {project} has no frames to export yet; `data-miner status` says what waits and why"
    return (
        f"project {project} has no frames to export: all is done, and none was kept. `data-miner status` "
        "says what was skipped, `data-miner page` how far the scores are from the thresholds"
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
