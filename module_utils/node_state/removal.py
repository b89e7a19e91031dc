"""Undoing what was made for a name, and nothing else: a pure plan from the record."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import text
from .model import Kind, Observed, Owned
from .plan import UNIT_DIRECTORY
from .steps import (
    EnableUnit,
    ReloadSystemd,
    RemoveDirectory,
    RemoveFile,
    StartUnit,
    Step,
    StopUnit,
    WipeDirectory,
    WriteFile,
)

#: seconds that a unit of the machine's own may take to restart
RESTART_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What to do, in order; ``kept`` are directories that stay and why, ``owned`` is what stays recorded."""

    steps: tuple[Step, ...]
    owned: Owned
    kept: Mapping[str, str]


def make_removal(name: str, observed: Observed, owned: Owned, *, wipe: bool) -> Removal:
    """Plan how to remove what was made for a name; directories with data only when they are to be wiped.

    Packages stay, as others may need them by now, and so do kernel parameters until the next boot.
    """
    files = [path for path in sorted(owned.files) if observed.at(path).kind is not Kind.MISSING]
    blocks = [*_block_steps(name, observed, owned)]
    gone = {*files, *(step.path for step in blocks if isinstance(step, RemoveFile))}
    directories, kept = _directory_steps(gone, observed, owned, wipe=wipe)
    units_gone = any(path.startswith(UNIT_DIRECTORY) for path in files)
    return Removal(
        steps=(
            *_stops(observed, owned),
            *(RemoveFile(path=path) for path in files),
            *blocks,
            *([ReloadSystemd()] if units_gone else []),
            *(_restarts(observed, owned) if files else []),
            *directories,
        ),
        owned=Owned(
            directories={p: data for p, data in owned.directories.items() if _leads_to(p, kept)},
            places={p: place for p, place in owned.places.items() if _leads_to(p, kept)},
        ),
        kept=kept,
    )


def _stops(observed: Observed, owned: Owned) -> Iterator[Step]:
    """Stop units whose file was written here."""
    for name in sorted(owned.units):
        if UNIT_DIRECTORY + name in owned.files:
            seen = observed.unit(name)
            if not seen.down:
                yield StopUnit(name=name)
            if seen.enabled == "enabled":
                yield EnableUnit(name=name, enabled=False)


def _restarts(observed: Observed, owned: Owned) -> Iterator[Step]:
    """Have units that are not ours, and that read files of ours, go on without these."""
    for name in sorted(owned.units):
        if UNIT_DIRECTORY + name not in owned.files and observed.unit(name).running:
            yield StartUnit(name=name, restart=True, timeout_s=RESTART_TIMEOUT_S, started_with="")


def _block_steps(name: str, observed: Observed, owned: Owned) -> Iterator[WriteFile | RemoveFile]:
    """Take the blocks out, and remove a file that was made for its block and holds nothing else."""
    for path in sorted(owned.blocks):
        seen = observed.at(path)
        if seen.content is not None and seen.attributes is not None:
            rest = text.without_block(seen.content, name)
            if not rest and path in owned.made_for_blocks:
                yield RemoveFile(path=path)
            elif rest != seen.content:
                yield WriteFile(path=path, before=seen.content, content=rest, attributes=seen.attributes)


def _directory_steps(
    gone: set[str], observed: Observed, owned: Owned, *, wipe: bool
) -> tuple[list[Step], dict[str, str]]:
    """Return the steps for directories, innermost first, and which stay although they are ours.

    What symbolic links lead to is ours only if they led there when the directory was made.
    """
    steps: list[Step] = []
    kept: dict[str, str] = {}
    for path in sorted(owned.directories, key=lambda path: (-path.count("/"), path)):
        seen = observed.at(path)
        if seen.kind is Kind.MISSING:
            continue
        place = seen.real or path
        if mounts := sorted(m for m in observed.mounts if _leads_to(path, [m]) or _leads_to(place, [m])):
            kept[path] = f"{mounts[0]} is mounted"
        elif place != owned.places.get(path, path):
            kept[path] = f"leads to {place}, which was not made here"
        elif owned.directories[path] and not wipe:
            kept[path] = "holds data"
        elif owned.directories[path]:
            steps.append(WipeDirectory(path=place))
            gone.add(path)
        elif {posixpath.join(path, child) for child in seen.children} <= gone:
            steps.append(RemoveDirectory(path=path))
            gone.add(path)
    return steps, kept


def _leads_to(path: str, others: Mapping[str, str] | list[str]) -> bool:
    return any(other == path or other.startswith(path + "/") for other in others)
