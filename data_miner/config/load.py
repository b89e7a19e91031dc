"""Loading a configuration: merge the layers, validate, and blame the layer and line of each bad key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_miner.config.merge import Layer, Merged, Origin, merge
from data_miner.config.model import AppConfig
from data_miner.config.source import KeyPath, dotted, load_yaml, parse_yaml
from data_miner.config.words import MISFIT, known_keys, shown, suggested_key, words
from data_miner.errors import ConfigError, Problem
from data_miner.logins import LOGIN_SHOWN, NO_LOGIN_HINT, has_login

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
    config, found = _check(merged)
    if config is None or found:
        raise ConfigError(sorted(one.problem for one in found))
    return config


def final_problems(overrides: Layer) -> list[Problem]:
    """Return what is wrong with the strongest layer, whatever the run config says.

    Its values are final, so each must be right by itself; what depends on other values is left to
    ``validate``.
    """
    project = Layer(name="any project", data={"project": "any"})
    merged = merge(default_layer(), project, overrides)
    _, found = _check(merged)
    return sorted(one.problem for one in found if one.layer == overrides.name and not one.is_misfit)


def to_plain(config: BaseModel) -> dict[str, Any]:
    """Return a configuration as plain JSON values, without the keys that are not set."""
    plain: dict[str, Any] = json.loads(config.model_dump_json(exclude_none=True))
    return plain


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A problem, the layer that is to blame, and whether other values are part of it."""

    problem: Problem
    layer: str | None
    is_misfit: bool = False


def _check(merged: Merged) -> tuple[AppConfig | None, list[_Found]]:
    found = [_unknown(path, origin) for path, origin in merged.removed.items() if not _is_known(path)]
    try:
        return AppConfig.model_validate(merged.data), found
    except ValidationError as error:
        return None, [*found, *(_found(merged, detail) for detail in error.errors())]


def _is_known(path: KeyPath) -> bool:
    """Tell whether a key can be removed; where any name goes, each can."""
    known = known_keys(AppConfig, path[:-1])
    return not known or path[-1] in known


def _unknown(path: KeyPath, origin: Origin) -> _Found:
    problem = _at(origin, path, "unknown key", suggested_key(AppConfig, path))
    return _Found(problem=problem, layer=origin.layer)


def _found(merged: Merged, detail: ErrorDetails) -> _Found:
    misfit = detail["ctx"] if detail["type"] == MISFIT else {}
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
    return _Found(
        problem=_at(origin, path, message, hint),
        layer=origin.layer if origin else None,
        is_misfit=bool(misfit),
    )


def _at(origin: Origin | None, path: KeyPath, message: str, hint: str) -> Problem:
    mark = origin.mark if origin else None
    return Problem(
        file=mark.file if mark else NO_FILE,
        line=mark.line if mark else None,
        column=mark.column if mark else None,
        key=dotted(path),
        message=message,
        hint=hint,
    )


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
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            message, hint = f"{path} cannot be read: {reason}", "paths count from the run config's directory"
            problems.append(_at(origin, ("url_files", index), message, hint))
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


def _url_problem(path: Path, number: int, url: str) -> list[Problem]:
    if url.startswith(("http://", "https://")):
        if not has_login(url):
            return []
        return [Problem(file=str(path), line=number, column=1, message=LOGIN_SHOWN, hint=NO_LOGIN_HINT)]
    hint = "one URL a line; # starts a comment"
    return [Problem(file=str(path), line=number, column=1, message=f"not a URL: {shown(url)}", hint=hint)]
