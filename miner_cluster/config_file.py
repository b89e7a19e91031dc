"""Reading cluster_config.yaml: places, references, shape, meaning; all its problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from data_miner.config import OVERRIDES, KeyPath, Layer, Mark, Source, dotted, final_problems, load_yaml
from data_miner.config.words import key_path, words
from data_miner.errors import ConfigError, Problem
from miner_cluster import config_checks
from miner_cluster.config_model import ClusterFile
from miner_cluster.config_sections import sections
from miner_cluster.references import resolve


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A valid cluster_config.yaml."""

    file: ClusterFile
    #: the values with references resolved, as written otherwise
    data: dict[str, Any]
    source: Source
    warnings: list[Problem]


def load_cluster_file(path: Path) -> Loaded:
    """Read and check the file.

    Raises:
        ConfigError: with every problem, each with its line, and what would be right.
    """
    source = load_yaml(path)
    data, unresolved = resolve(source.data, default=_default)
    problems = [
        _problem(source, key, str(problem), problem.hint)
        for key, problem in sorted(unresolved.items(), key=str)
    ]
    file = None
    try:
        file = ClusterFile.model_validate(data)
    except ValidationError as error:
        for detail in error.errors():
            if not any(key_path(detail)[: len(key)] == key for key in unresolved):
                problems.append(_shape_problem(source, detail))
    parts = sections(data)
    problems += _override_problems(source, data, unresolved)
    problems += [
        _problem(source, found.path, found.message, found.hint) for found in config_checks.check(parts)
    ]
    if problems or file is None:
        raise ConfigError(
            sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0, problem.key))
        )
    warnings = [
        _problem(source, found.path, found.message, found.hint) for found in config_checks.warnings(parts)
    ]
    return Loaded(file=file, data=data, source=source, warnings=warnings)


def _shape_problem(source: Source, detail: ErrorDetails) -> Problem:
    path = key_path(detail)
    message, hint = words(detail, ClusterFile)
    written = _written(source.data, path)
    if isinstance(written, str) and "${" in written:
        message, hint = f"{message}, through {written}", "refer to a value of that kind"
    return _problem(source, path, message, hint)


def _written(data: Any, path: KeyPath) -> Any:
    """Return the value at a path as the file has it; None where a reference brought it."""
    for part in path:
        if not isinstance(data, Mapping) or part not in data:
            return None
        data = data[part]
    return data


def _override_problems(
    source: Source, data: Mapping[str, Any], unresolved: Mapping[KeyPath, object]
) -> list[Problem]:
    """Return what the application can't use in its strongest layer."""
    values = data.get(OVERRIDES)
    if not isinstance(values, dict):
        return []
    found = final_problems(overrides_layer(source, values))
    keys = {dotted(key) for key in unresolved}
    named = [replace(problem, key=f"{OVERRIDES}.{problem.key}") for problem in found]
    return [problem for problem in named if problem.key not in keys]


def overrides_layer(source: Source, values: dict[str, Any]) -> Layer:
    """Return the application's strongest layer, which is a section of cluster_config.yaml."""
    below = {path[1:]: mark for path, mark in source.marks.items() if path[0] == OVERRIDES and len(path) > 1}
    return Layer(name=OVERRIDES, data=values, marks=below)


def _default(path: tuple[str, ...]) -> Any:
    """Return what the schema fills in for a key that the file leaves out; None if it knows none."""
    value: Any = ClusterFile
    for part in path:
        if isinstance(value, type) and issubclass(value, BaseModel):
            field = value.model_fields.get(part)
            if field is None:
                return None
            default = field.get_default(call_default_factory=True)
            value = field.annotation if default is PydanticUndefined else default
        elif isinstance(value, BaseModel) and part in type(value).model_fields:
            value = getattr(value, part)
        else:
            return None
    return value if isinstance(value, (str, int, float)) else None


def _problem(source: Source, path: KeyPath, message: str, hint: str = "") -> Problem:
    mark = _mark(source, path)
    return Problem(
        file=str(source.path),
        line=mark.line if mark else None,
        column=mark.column if mark else None,
        key=dotted(path),
        message=message,
        hint=hint,
    )


def _mark(source: Source, path: KeyPath) -> Mark | None:
    """Return the place of a key, or of the nearest one above it."""
    for length in range(len(path), 0, -1):
        if mark := source.marks.get(path[:length]):
            return mark
    return None
