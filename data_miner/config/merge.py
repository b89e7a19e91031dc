"""The layered merge of configurations, keeping for every key which layer and line set it.

Rule: maps merge, lists and scalars replace, null removes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from data_miner.config.source import KeyPath, Mark, Source


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of configuration, such as the defaults or a run config."""

    name: str
    data: dict[str, Any]
    marks: dict[KeyPath, Mark] = field(default_factory=dict)

    @classmethod
    def from_source(cls, name: str, source: Source) -> Layer:
        """Make a layer of a whole file."""
        return cls(name=name, data=source.data, marks=source.marks)

    def origin(self, path: KeyPath) -> Origin:
        """Return this layer with the mark of ``path``, or of the nearest key above it."""
        for length in range(len(path), 0, -1):
            if mark := self.marks.get(path[:length]):
                return Origin(layer=self.name, mark=mark)
        return Origin(layer=self.name)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which layer set a key, and where."""

    layer: str
    mark: Mark | None = None

    def __str__(self) -> str:
        """Return ``layer (file:line)``."""
        return f"{self.layer} ({self.mark})" if self.mark else self.layer


@dataclass(frozen=True, kw_only=True)
class Overridden:
    """A value that a stronger layer replaced or removed."""

    value: Any
    origin: Origin

    def __str__(self) -> str:
        """Return ``value from layer (file:line)``."""
        return f"{self.value!r} from {self.origin}"


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The merged configuration, the origin of each key in it, and of each removal."""

    data: dict[str, Any]
    provenance: dict[KeyPath, Origin]
    removed: dict[KeyPath, Origin]
    #: what each key replaced or removed, the weakest layer first
    overridden: dict[KeyPath, list[Overridden]]


def merge(*layers: Layer) -> Merged:
    """Merge layers, the last one strongest."""
    merged = Merged(data={}, provenance={}, removed={}, overridden={})
    for layer in layers:
        _merge_map(merged, merged.data, layer.data, (), layer)
    return merged


def _merge_map(
    merged: Merged, into: dict[str, Any], data: dict[str, Any], path: KeyPath, layer: Layer
) -> None:
    for key, value in data.items():
        here = (*path, key)
        if value is None:
            if key in into:
                _override(merged, into.pop(key), here)
            merged.removed[here] = layer.origin(here)
            continue
        if not (isinstance(value, dict) and isinstance(into.get(key), dict)):
            if key in into:
                _override(merged, into[key], here)
            into[key] = {} if isinstance(value, dict) else _copy(value)
        merged.removed.pop(here, None)
        merged.provenance[here] = layer.origin(here)
        if isinstance(value, dict):
            _merge_map(merged, into[key], value, here, layer)
        elif isinstance(value, list):
            _note_items(merged, value, here, layer)


def _note_items(merged: Merged, value: object, path: KeyPath, layer: Layer) -> None:
    """Record the origin of everything inside a list."""
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, list):
        pairs = list(enumerate(value))
    elif isinstance(value, dict):
        pairs = list(value.items())
    for key, item in pairs:
        merged.provenance[*path, key] = layer.origin((*path, key))
        _note_items(merged, item, (*path, key), layer)


def _override(merged: Merged, value: Any, path: KeyPath) -> None:
    """Keep a value that is gone now in the history of its key, and forget what lay below it."""
    old = Overridden(value=value, origin=merged.provenance[path])
    history = [*merged.overridden.get(path, []), old]
    for known in (merged.provenance, merged.removed, merged.overridden):
        for below in [below for below in known if below[: len(path)] == path]:
            del known[below]
    merged.overridden[path] = history


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
