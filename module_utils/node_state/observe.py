"""Reading the part of the machine that a wanted state, or the record, speaks of."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..mounts import is_fuse, mounts
from . import kernel, packages, systemd, text
from .files import look
from .model import Kind, Observed, Owned, Seen, StateError, Wanted

MIB = 1 << 20


def observe(wanted: Wanted, owned: Owned, *, stamps: Mapping[str, Sequence[Any]] | None = None) -> Observed:
    """Read what a plan needs; the digest of a file comes from its stamp where it still has that."""
    mounted = mounts()
    generated = [text.sysctl_path(wanted.name), text.modules_path(wanted.name)]
    files = [*generated, *(file.path for file in wanted.files), *(block.path for block in wanted.blocks)]
    hashed = [*wanted.checksums, *(path for unit in wanted.units for path in unit.restart_on)]
    plain = [*(directory.path for directory in wanted.directories), *wanted.absent, *owned.files]
    seen = {path: _look(path, mounted) for path in {*plain, *_parents([*plain, *files, *hashed])}}
    seen |= {path: _hashed(path, (stamps or {}).get(path)) for path in hashed}
    seen |= {path: look(path, content=True) for path in files}
    return Observed(
        packages=packages.installed(wanted.packages),
        modules={name: kernel.module_state(name) for name in wanted.modules},
        paths=seen,
        sysctls={key: kernel.read_sysctl(key) for key in [*wanted.sysctls, *wanted.sysctls_at_least]},
        units=systemd.show(unit.name for unit in wanted.units),
        mounts=frozenset(mounted),
    )


def observe_owned(owned: Owned) -> Observed:
    """Read what a removal needs."""
    mounted = mounts()
    seen = {path: _look(path, mounted, children=True) for path in owned.directories}
    seen |= {path: look(path) for path in owned.files}
    seen |= {path: look(path, content=True) for path in owned.blocks}
    return Observed(paths=seen, units=systemd.show(owned.units), mounts=frozenset(mounted))


def require_disks(wanted: Wanted) -> None:
    """Check the sizes of the file systems.

    Raises:
        StateError: one is too small, with both figures.
    """
    for disk in wanted.disks:
        path = Path(disk.path)
        while not path.exists():
            path = path.parent
        figures = os.statvfs(path)
        size_mb = figures.f_blocks * figures.f_frsize // MIB
        if size_mb < disk.at_least_mb:
            raise StateError(
                f"{disk.path} lies on a file system of {size_mb} MB and needs {disk.at_least_mb} MB: "
                f"{disk.reason}"
            )


def _look(path: str, mounted: dict[str, str], *, children: bool = False) -> Seen:
    """Look at a path, except at a mounted FUSE file system: a dead one hangs or fails."""
    if is_fuse(mounted.get(path, "")):
        return Seen(kind=Kind.DIRECTORY)
    return look(path, children=children)


def stamp(path: str, sha256: str) -> list[Any]:
    """Return the digest of a file, and what changes whenever its content does."""
    found = Path(path).stat()
    return [sha256, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _hashed(path: str, known: Sequence[Any] | None) -> Seen:
    seen = look(path)
    if known is not None and seen.kind is Kind.FILE and stamp(path, known[0]) == list(known):
        return replace(seen, sha256=known[0])
    return look(path, sha256=True)


def _parents(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        parent = posixpath.dirname(path)
        while parent not in {"/", ""}:
            yield parent
            parent = posixpath.dirname(parent)
