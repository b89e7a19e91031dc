"""The record of what was made on this node, in owned.json: what an uninstall may remove."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .files import write_atomically
from .model import Attributes, Met, Owned, StateError

PATH = "/var/lib/data-miner/owned.json"
VERSION = 1


class Record:
    """owned.json, locked against a second run for as long as it is open."""

    def __init__(self, path: Path, names: dict[str, Owned]) -> None:
        self._path = path
        self._names = names

    def of(self, name: str) -> Owned:
        """Return what was made for a name."""
        return self._names.get(name, Owned())

    def put(self, name: str, owned: Owned) -> None:
        """Record what is made for a name; the file goes when nothing is recorded any more."""
        if owned == self.of(name):
            return
        self._names[name] = owned
        names = {name: _plain(owned) for name, owned in sorted(self._names.items()) if not owned.empty}
        if names:
            content = json.dumps({"version": VERSION, "names": names}, indent=1) + "\n"
            attributes = Attributes(mode=0o600, uid=os.geteuid(), gid=os.getegid())
            write_atomically(str(self._path), content.encode(), attributes)
        else:
            self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def open_record(path: Path, *, read_only: bool) -> Iterator[Record]:
    """Read the record; unless it is only read, its directory is made, and removed again when left empty.

    Raises:
        StateError: it can't be read.
    """
    if read_only:
        yield Record(path, read(path))
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Record(path, read(path))
    finally:
        with contextlib.suppress(OSError):  # it holds the record
            path.parent.rmdir()
        os.close(lock)


def read(path: Path) -> dict[str, Owned]:
    """Return what was made, by name.

    Raises:
        StateError: the file is not what we write.
    """
    try:
        data = json.loads(path.read_text())
        if data["version"] != VERSION:
            raise StateError(
                f"{path} has version {data['version']}: it was written by another data-miner; use that one"
            )
        return {name: _owned(entry) for name, entry in data["names"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            f"{path}, the record of what was made on this machine, is damaged ({error!r}); remove it to "
            "start a new one: what the old one held is then taken for somebody else's and never removed"
        ) from error


def _plain(owned: Owned) -> dict[str, Any]:
    return {
        "files": sorted(owned.files),
        "blocks": sorted(owned.blocks),
        "made_for_blocks": sorted(owned.made_for_blocks),
        "directories": {
            path: {"data": data} | ({"place": owned.places[path]} if path in owned.places else {})
            for path, data in sorted(owned.directories.items())
        },
        "units": dict(sorted(owned.units.items())),
        **({"met": asdict(owned.met)} if owned.met else {}),
    }


def _owned(entry: dict[str, Any]) -> Owned:
    return Owned(
        files=frozenset(entry["files"]),
        blocks=frozenset(entry["blocks"]),
        made_for_blocks=frozenset(entry.get("made_for_blocks", ())),
        directories={path: bool(kind["data"]) for path, kind in entry["directories"].items()},
        units=dict(entry["units"]),
        places={path: kind["place"] for path, kind in entry["directories"].items() if "place" in kind},
        met=Met(**entry["met"]) if "met" in entry else None,
    )
