"""Whether applying an object would change nothing, told from what the API server noted, without asking it.

Server-side apply sets each field that is given, and removes those that the same manager gave before and does
not give now. So nothing changes where the server's note of what we gave (``metadata.managedFields``, see
``by_hand``) names the fields that are given now, and each has the value that is given. Kubernetes'
documentation of server-side apply says how a note is read; the design is KEP 555.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from miner_cluster.kube.api import FIELD_MANAGER, Object

#: of the metadata of each object, and noted of none
_NAMES = {"name", "namespace"}
_SELF = "."


def is_applied(wanted: Object, present: Object) -> bool:
    """Return whether applying an object would certainly change nothing.

    Args:
        wanted: as it would be applied.
        present: as the API has it.

    Returns:
        False also where it can't be told from here, as the server writes a value in its own way (0.5 CPUs are
        500m there).
    """
    notes = [
        entry.get("fieldsV1") or {}
        for entry in present["metadata"].get("managedFields") or []
        if entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    ]
    if len(notes) != 1:
        return False
    given = {name: value for name, value in wanted.items() if name not in {"apiVersion", "kind", "metadata"}}
    if meta := {name: value for name, value in wanted["metadata"].items() if name not in _NAMES}:
        given["metadata"] = meta
    return _same(notes[0], given, present)


def _same(note: Mapping[str, Any], given: Any, present: Any) -> bool:
    """Return whether a note tells what is given, and what is present has its values."""
    below = {name: value for name, value in note.items() if name != _SELF}
    if not below:  # a value, or what is given only as a whole
        return type(given) is type(present) and bool(given == present)
    if isinstance(given, dict) and isinstance(present, dict):
        return below.keys() == {f"f:{name}" for name in given} and all(
            name in present and _same(below[f"f:{name}"], value, present[name])
            for name, value in given.items()
        )
    if isinstance(given, list) and isinstance(present, list) and len(below) == len(given):
        return _same_items(below, given, present)
    return False


def _same_items(note: Mapping[str, Any], given: Sequence[Any], present: Sequence[Any]) -> bool:
    """Return the same of a list whose items are told apart by keys, or are values; their order counts."""
    last = -1
    left = dict(note)
    for item in given:
        name = next((name for name in left if _is(name, item)), None)
        if name is None:
            return False
        fields = left.pop(name)
        found = [place for place, one in enumerate(present) if _is(name, one, whole=True)]
        if len(found) != 1 or found[0] <= last or not _same(fields, item, present[found[0]]):
            return False
        last = found[0]
    return True


def _is(name: str, item: Any, *, whole: bool = False) -> bool:
    """Return whether a note is one of an item; of one that is given, keys may be left to the server."""
    kind, _, text = name.partition(":")
    value = json.loads(text)
    if kind == "v":
        return bool(item == value)
    if not isinstance(item, dict):
        return False
    return all(item[key] == one if key in item else not whole for key, one in value.items())
