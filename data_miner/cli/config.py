"""``data-miner config``: look at a configuration and where it comes from."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from data_miner.cli.common import examples, run_config_file
from data_miner.config import (
    NO_FILE,
    Layer,
    Merged,
    default_layer,
    dotted,
    dump,
    load_app_config,
    load_yaml,
    merge,
    validate,
)
from data_miner.config.history import differences, explanations
from data_miner.errors import ConfigError, Problem

app = typer.Typer(no_args_is_help=True, help="The configuration, and where each key comes from.")

RunConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="The same.", envvar="DATA_MINER_RUN_CONFIG")
]
#: a worker has its merged configuration at DATA_MINER_CONFIG
AnyConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Run config. Without one: a worker's own configuration, or the defaults alone.",
        envvar=["DATA_MINER_RUN_CONFIG", "DATA_MINER_CONFIG"],
    ),
]
Overrides = Annotated[
    Path | None, typer.Option(help="A file laid over the run config, as a cluster's k3s_app_overrides are.")
]


@app.command("validate", epilog=examples("data-miner config validate run_configs/demo.yaml"))
def validate_config(
    file: Annotated[
        Path | None, typer.Argument(help="A run config; - reads it from standard input.", show_default=False)
    ] = None,
    config: RunConfig = None,
    overrides: Overrides = None,
) -> None:
    """Check a run config without touching anything."""
    chosen = file or config
    if chosen is None:
        raise typer.BadParameter("give a run config, such as run_configs/demo.yaml")
    merged = _load(run_config_file(chosen), overrides)
    typer.echo(f"{chosen}: valid, project {validate(merged).project}")


@app.command(epilog=examples("data-miner config show -c run_configs/demo.yaml"))
def show(config: AnyConfig = None, overrides: Overrides = None) -> None:
    """Print the merged configuration."""
    typer.echo(dump(_load(config, overrides).data), nl=False)


@app.command(
    epilog=examples(
        "data-miner config explain extract.fps",
        "data-miner config explain filter -c run_configs/glass_door.yaml",
    )
)
def explain(
    key: Annotated[str, typer.Argument(help="Such as extract.fps, or a whole section.")],
    config: AnyConfig = None,
    overrides: Overrides = None,
) -> None:
    """Say which layer and line set a key, and what that replaced."""
    merged = _load(config, overrides)
    lines = explanations(merged, key)
    if not lines:
        close = get_close_matches(key, [dotted(path) for path in merged.provenance], n=1)
        known = f"known at the top: {', '.join(sorted(merged.data))}"
        hint = f"did you mean {close[0]}?" if close else known
        raise ConfigError([Problem(file=str(config or NO_FILE), key=key, message="no such key", hint=hint)])
    for line in lines:
        typer.echo(line)


@app.command(epilog=examples("data-miner config diff run_configs/demo.yaml run_configs/glass_door.yaml"))
def diff(
    one: Annotated[Path, typer.Argument(metavar="A", help="A run config.")],
    two: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    overrides: Overrides = None,
) -> None:
    """Show what another run config changes: of each key both values, and where they are set.

    The exit code is 0 where both mean the same, 1 where they differ, as that of diff.
    """
    lines = differences(_load(one, overrides), _load(two, overrides))
    for line in lines:
        typer.echo(line)
    if lines:
        raise typer.Exit(1)


def _load(config: Path | None, overrides: Path | None) -> Merged:
    layer = Layer.from_source("overrides", load_yaml(overrides)) if overrides is not None else None
    if config is None and layer is None:
        return merge(default_layer())
    return load_app_config(config, layer)
