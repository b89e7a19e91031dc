"""``data-miner config``: look at a configuration and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from data_miner.config import Layer, Merged, load_app_config, load_yaml, validate
from data_miner.config.source import KeyPath, dotted
from data_miner.errors import ConfigError, Problem

app = typer.Typer(no_args_is_help=True, help="The configuration, and where each key comes from.")

RunConfig = Annotated[
    Path, typer.Option("--config", "-c", help="Run config.", envvar="DATA_MINER_RUN_CONFIG")
]
Overrides = Annotated[
    Path | None, typer.Option(help="A file laid over the run config, as a cluster's k3s_app_overrides are.")
]


@app.command("validate")
def validate_config(config: RunConfig, overrides: Overrides = None) -> None:
    """Check a run config without touching anything."""
    merged = _load(config, overrides)
    typer.echo(f"{config}: valid, project {validate(merged).project}")


@app.command()
def show(config: RunConfig, overrides: Overrides = None) -> None:
    """Print the merged configuration."""
    typer.echo(yaml.safe_dump(_load(config, overrides).data, sort_keys=False), nl=False)


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="Such as extract.fps, or a whole section.")],
    config: RunConfig,
    overrides: Overrides = None,
) -> None:
    """Say which layer and line set a key."""
    merged = _load(config, overrides)
    lines = list(explanations(merged, key))
    if not lines:
        hint = f"known at the top: {', '.join(sorted(merged.data))}"
        raise ConfigError([Problem(file=str(config), key=key, message="no such key", hint=hint)])
    for line in lines:
        typer.echo(line)


def explanations(merged: Merged, key: str) -> list[str]:
    """Return a line for a key and each one below it: its value and its origin, or who removed it."""
    lines = []
    for path, origin in sorted(merged.provenance.items(), key=lambda entry: [str(part) for part in entry[0]]):
        value = _value(merged.data, path)
        if _below(path, key) and not (isinstance(value, (dict, list)) and value):
            lines.append(f"{dotted(path)} = {value!r}  from {origin}")
    lines += [
        f"{dotted(path)} removed by {origin}" for path, origin in merged.removed.items() if _below(path, key)
    ]
    return lines


def _load(config: Path, overrides: Path | None) -> Merged:
    layer = Layer.from_source("overrides", load_yaml(overrides)) if overrides is not None else None
    return load_app_config(config, layer)


def _below(path: KeyPath, key: str) -> bool:
    name = dotted(path)
    return name == key or name.startswith((f"{key}.", f"{key}["))


def _value(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data
