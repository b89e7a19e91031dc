"""``data-miner doctor``: what stands in the way of mining, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from data_miner.cli.common import JsonOption, examples, out, print_json
from data_miner.cli.errors import FAILED
from data_miner.doctor import Finding, examine


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples("data-miner doctor", "data-miner doctor -c run_configs/glass_door.yaml --json")
    )(doctor)


def doctor(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Run config; without it, the file in DATA_MINER_CONFIG."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, database, storage and models, and say what to do about each problem."""
    findings = examine(config)
    if as_json:
        print_json([{"check": one.check, "ok": one.ok, "message": one.message} for one in findings])
    else:
        _print(findings)
    if not all(one.ok for one in findings):
        raise typer.Exit(FAILED)


def _print(findings: list[Finding]) -> None:
    table = Table("check", "", "what was found")
    for one in findings:
        table.add_row(one.check, "[green]ok[/green]" if one.ok else "[red]mend[/red]", escape(one.message))
    out().print(table)
