"""A wanted state that was met, kept in the record, so that a later look can tell whether it still is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .files import look
from .model import (
    Attributes,
    Met,
    Owned,
    StateError,
    Wanted,
    WantedBlock,
    WantedDirectory,
    WantedDisk,
    WantedFile,
    WantedUnit,
    digest,
)
from .observe import observe, require_disks, stamp
from .plan import make_plan
from .record import read

#: stands for a content that is not there any more; no file of ours has a zero byte
_OTHER = b"\0"


def met(wanted: Wanted, inputs: str) -> Met:
    """Return what the record keeps of a wanted state: all of it, of files' contents the digests only."""
    plain = asdict(wanted)
    for file in plain["files"]:
        file["content"] = digest(file["content"])
    stamps = {path: stamp(path, sha256) for path, sha256 in wanted.checksums.items()}
    return Met(inputs=inputs, wanted=json.loads(json.dumps(plain)), stamps=stamps)


def still_met(record_path: Path) -> dict[str, dict[str, Any]]:
    """Return, by name, the recorded states that the machine is in now, whatever was wanted of it since.

    One with a big file that was touched is left out, whatever its content: the role reads it once and records
    that, and each look here would read it again.

    Returns:
        Of each the ``inputs`` that it was made from, and the digests of its ``secrets`` by path.
    """
    found = {}
    try:
        names = read(record_path)
    except (OSError, StateError):
        return {}
    for name, owned in names.items():
        if owned.met is not None and _holds(owned.met, owned):
            secrets = {file["path"]: file["content"] for file in owned.met.wanted["files"] if file["secret"]}
            found[name] = {"inputs": owned.met.inputs, "secrets": secrets}
    return found


def _holds(met: Met, owned: Owned) -> bool:
    try:
        wanted = _wanted(met.wanted)
        require_disks(wanted)
        if any(stamp(path, known[0]) != list(known) for path, known in met.stamps.items()):
            return False
        plan = make_plan(wanted, observe(wanted, owned, stamps=met.stamps), owned)
    except (
        OSError,
        StateError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ):  # also what another version recorded
        return False
    return not (plan.steps or plan.stale or plan.deferred)


def _wanted(plain: Mapping[str, Any]) -> Wanted:
    """Return the wanted state; a file whose content has the recorded digest is wanted as it is."""
    parts: dict[str, Any] = {
        **{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()},
        "directories": tuple(WantedDirectory(**_typed(item)) for item in plain["directories"]),
        "files": tuple(_file(item) for item in plain["files"]),
        "blocks": tuple(WantedBlock(**item) for item in plain["blocks"]),
        "units": tuple(
            WantedUnit(**{**item, "restart_on": tuple(item["restart_on"])}) for item in plain["units"]
        ),
        "disks": tuple(WantedDisk(**item) for item in plain["disks"]),
        "parent_attributes": Attributes(**plain["parent_attributes"]),
    }
    return Wanted(**parts)


def _file(plain: Mapping[str, Any]) -> WantedFile:
    file = WantedFile(**_typed(plain))
    seen = look(file.path, content=True)
    same = seen.content is not None and seen.sha256 == plain["content"]
    return replace(file, content=seen.content if same and seen.content is not None else _OTHER)


def _typed(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {**plain, "attributes": Attributes(**plain["attributes"])}
