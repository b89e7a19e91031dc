"""Loading a configuration: merge the layers, validate, and blame the layer and line of each bad key."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_miner.config.merge import Layer, Merged, Origin, merge
from data_miner.config.model import AppConfig
from data_miner.config.source import KeyPath, dotted, load_yaml, parse_yaml
from data_miner.config.words import MISFIT, shown, words
from data_miner.errors import ConfigError, Problem

#: how a problem is called when no file is to blame
NO_FILE = "configuration"
#: how the lowest layer is called
DEFAULT = "default"
#: the highest one, and the section of cluster_config.yaml that holds it
OVERRIDES = "k3s_app_overrides"


def default_layer() -> Layer:
    """Return the application's own defaults."""
    text = resources.files("data_miner").joinpath("default.yaml").read_text("utf-8")
    return Layer.from_source(DEFAULT, parse_yaml(text, Path("data_miner/default.yaml")))


def load_app_config(run_config: Path | None, overrides: Layer | None = None) -> Merged:
    """Merge defaults, run config and overrides, and check the result with the application's model.

    Files named in ``url_files`` are read here (relative to the run config) and join ``urls``, so that the
    result needs no other file.

    Raises:
        ConfigError: a layer cannot be read, or the merged configuration is not valid.
    """
    layers = [default_layer()]
    if run_config is not None:
        layers.append(Layer.from_source("run config", load_yaml(run_config)))
    if overrides is not None:
        layers.append(overrides)
    merged = merge(*layers)
    validate(merged)
    if merged.data["url_files"]:
        _read_url_files(merged, run_config.parent if run_config else Path())
        validate(merged)
    return merged


def load_resolved(path: Path) -> AppConfig:
    """Read a configuration that is already merged, such as the one mounted into a worker.

    Raises:
        ConfigError: it cannot be read or is not valid.
    """
    return validate(merge(Layer.from_source("config", load_yaml(path))))


def validate(merged: Merged) -> AppConfig:
    """Return the typed configuration.

    Raises:
        ConfigError: with every bad key, and the file and line that set it.
    """
    try:
        return AppConfig.model_validate(merged.data)
    except ValidationError as error:
        raise ConfigError(sorted(_problem(merged, detail)[0] for detail in error.errors())) from error


def final_problems(overrides: Layer) -> list[Problem]:
    """Return what is wrong with the strongest layer, whatever the run config says.

    Its values are final, so each must be right by itself; what depends on other values is left to
    ``validate``.
    """
    project = Layer(name="any project", data={"project": "any"})
    merged = merge(default_layer(), project, overrides)
    try:
        AppConfig.model_validate(merged.data)
    except ValidationError as error:
        found = [_problem(merged, detail) for detail in error.errors() if detail["type"] != MISFIT]
        return sorted(problem for problem, layer in found if layer == overrides.name)
    return []


def to_plain(config: BaseModel) -> dict[str, Any]:
    """Return a configuration as plain JSON values, without the keys that are not set."""
    plain: dict[str, Any] = json.loads(config.model_dump_json(exclude_none=True))
    return plain


def _problem(merged: Merged, detail: ErrorDetails) -> tuple[Problem, str | None]:
    """Return the problem, and the layer that is to blame."""
    misfit = detail.get("ctx", {}) if detail["type"] == MISFIT else {}
    path: KeyPath = (*detail["loc"], *misfit.get("below", ()))
    message, hint = words(detail, AppConfig)
    if detail["type"] == "missing":
        hint = "add it to the run config"
    origin = merged.removed.get(path) if detail["type"] == "missing" else None
    if origin is not None:
        hint = "the null on this line removes it"
    origin = origin or _nearest(merged, path)
    if misfit and (origin is None or origin.layer == DEFAULT):
        origin = _nearest(merged, misfit["because"]) or origin
    mark = origin.mark if origin else None
    problem = Problem(
        file=mark.file if mark else NO_FILE,
        line=mark.line if mark else None,
        column=mark.column if mark else None,
        key=dotted(path),
        message=message,
        hint=hint,
    )
    return problem, origin.layer if origin else None


def _nearest(merged: Merged, path: KeyPath) -> Origin | None:
    for length in range(len(path), 0, -1):
        if origin := merged.provenance.get(path[:length]):
            return origin
    return None


def _read_url_files(merged: Merged, base: Path) -> None:
    """Let the URLs in files join the others, each once."""
    urls: list[str] = merged.data["urls"]
    problems: list[Problem] = []
    for index, name in enumerate(merged.data["url_files"]):
        path, origin = base / name, merged.provenance["url_files", index]
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(_unreadable(path, f"url_files[{index}]", origin, error))
            continue
        for number, line in enumerate(lines, start=1):
            if (url := line.strip()) and not url.startswith("#"):
                problems += _url_problem(path, number, url)
                if url not in urls:
                    merged.provenance["urls", len(urls)] = origin
                    urls.append(url)
    if problems:
        raise ConfigError(problems)
    for index in range(len(merged.data["url_files"])):
        del merged.provenance["url_files", index]
    merged.data["url_files"] = []


def _unreadable(path: Path, key: str, origin: Origin, error: OSError | UnicodeDecodeError) -> Problem:
    reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
    mark = origin.mark
    return Problem(
        file=mark.file if mark else NO_FILE,
        line=mark.line if mark else None,
        column=mark.column if mark else None,
        key=key,
        message=f"{path} cannot be read: {reason}",
        hint="paths count from the run config's directory",
    )


def _url_problem(path: Path, number: int, url: str) -> list[Problem]:
    if url.startswith(("http://", "https://")):
        return []
    hint = "one URL a line; # starts a comment"
    return [Problem(file=str(path), line=number, column=1, message=f"not a URL: {shown(url)}", hint=hint)]
