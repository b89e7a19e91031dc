"""``data-miner page``: the web page."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from data_miner.cli.common import examples, load_config, local_config, store_of
from data_miner.config import load_resolved
from data_miner.db.connect import database_url
from data_miner.local.postgres import embedded
from data_miner.logs import set_up_logging
from data_miner.page.names import TOKEN


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "page",
        epilog=examples(
            "data-miner page --local data_miner_output", "data-miner page --host 0.0.0.0 --port 8090"
        ),
    )(page)


def page(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Run config; without it, the file in DATA_MINER_CONFIG."),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option(help="Output directory of a local run; needs no --config and no DATABASE_URL."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 is everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8090,
) -> None:
    """Serve the web page: progress, errors, the dataset's frames, near duplicates, and scores.

    Everybody who can reach it may read; whoever knows the token in DATA_MINER_PAGE_TOKEN may try items again.
    """
    from data_miner.page.serve import serve  # noqa: PLC0415 - only this command needs a web server

    loaded = load_resolved(local_config(local)) if local else load_config(config)
    set_up_logging(loaded.logging, worker="page", loki_url=None)
    # The web server raises it again when it has stopped; the database is to be stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with embedded((local / "local/postgres").absolute(), others=True) if local else nullcontext() as url:
        typer.echo(f"http://{host}:{port}/", err=True)
        serve(
            url or database_url(), store_of(loaded), token=os.environ.get(TOKEN) or None, host=host, port=port
        )
