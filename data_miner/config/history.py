"""What a merged configuration tells about itself: where values come from, and how two of them differ."""

from __future__ import annotations

from typing import Any

from data_miner.config.merge import Merged
from data_miner.config.model import AppConfig
from data_miner.config.source import KeyPath, dotted
from data_miner.config.words import known_keys


def explanations(merged: Merged, key: str) -> list[str]:
    """Return lines about a key and each one below it: its value, who set it, and what that replaced."""
    lines: dict[KeyPath, str] = {}
    for path, origin in merged.provenance.items():
        value = look_up(merged.data, path)
        if not (isinstance(value, (dict, list)) and value):
            lines[path] = f"{dotted(path)} = {value!r}  from {origin}"
    for path, origin in merged.removed.items():
        lines[path] = f"{dotted(path)} removed by {origin}"
    for path, history in merged.overridden.items():
        replaced = ", over ".join(str(old) for old in reversed(history))
        lines[path] = f"{lines.get(path, f'{dotted(path)} is set anew')}, over {replaced}"
    wanted = [lines[path] for path in sorted(lines, key=_order) if is_below(dotted(path), key)]
    return wanted or _not_set(key)


def _not_set(key: str) -> list[str]:
    *above, last = key.split(".")
    return [f"{key} is not set"] if last in known_keys(AppConfig, tuple(above)) else []


def differences(one: Merged, two: Merged) -> list[str]:
    """Return a line for each key that two configurations do not set to the same value."""
    before, after = leaves(one.data), leaves(two.data)
    lines = []
    for path in sorted({*before, *after}, key=_order):
        if path not in after:
            lines.append(f"- {dotted(path)} = {before[path]!r}  from {one.provenance[path]}")
        elif path not in before:
            lines.append(f"+ {dotted(path)} = {after[path]!r}  from {two.provenance[path]}")
        elif before[path] != after[path]:
            old = f"{before[path]!r} from {one.provenance[path]}"
            lines.append(f"~ {dotted(path)} = {after[path]!r}  from {two.provenance[path]}, instead of {old}")
    return lines


def look_up(data: Any, path: KeyPath) -> Any:
    """Return the value at a path."""
    for part in path:
        data = data[part]
    return data


def is_below(name: str, key: str) -> bool:
    """Tell whether a key, as people type it, is another one or lies below it."""
    return name == key or name.startswith((f"{key}.", f"{key}["))


def leaves(data: dict[str, Any], path: KeyPath = ()) -> dict[KeyPath, Any]:
    """Return the values that are no mappings, or empty ones; lists count as one value."""
    found: dict[KeyPath, Any] = {}
    for key, value in data.items():
        here = (*path, key)
        found |= leaves(value, here) if isinstance(value, dict) and value else {here: value}
    return found


def _order(path: KeyPath) -> list[tuple[int, str]]:
    """Sort keys by name and list items by number."""
    return [(part, "") if isinstance(part, int) else (-1, part) for part in path]
