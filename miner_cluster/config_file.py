"""Reading cluster_config.yaml: places, references, shape, meaning; all its problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from data_miner.config import KeyPath, Mark, Source, dotted, load_yaml
from data_miner.errors import ConfigError, Problem
from miner_cluster import config_checks
from miner_cluster.config_model import ClusterFile
from miner_cluster.config_words import key_path, words
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
                problems.append(_problem(source, key_path(detail), *words(detail, ClusterFile)))
    sections = _sections(data)
    problems += [
        _problem(source, found.path, found.message, found.hint) for found in config_checks.check(sections)
    ]
    if problems or file is None:
        raise ConfigError(
            sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0, problem.key))
        )
    warnings = [
        _problem(source, found.path, found.message, found.hint) for found in config_checks.warnings(sections)
    ]
    return Loaded(file=file, data=data, source=source, warnings=warnings)


def _sections(data: Mapping[str, Any]) -> config_checks.Sections:
    """Validate each section by itself, so that a mistake in one leaves the others to be checked."""
    valid: dict[str, Any] = {}
    for name in config_checks.Sections.__dataclass_fields__:
        field = ClusterFile.model_fields[name]
        if name not in data:
            valid[name] = None if field.is_required() else field.get_default(call_default_factory=True)
            continue
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
            valid[name] = adapter.validate_python(data[name])
        except ValidationError:
            valid[name] = None
    return config_checks.Sections(**valid)


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
