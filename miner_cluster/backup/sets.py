"""One backup: a dated directory, whole or under another name, with the checksum of every file in it.

It is written as ``DATE.partial`` and renamed when its manifest is complete and everything is on the disk, so
what has a date for its name was finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from miner_cluster.backup.errors import BackupError

PARTIAL, MANIFEST, FORMAT = ".partial", "manifest.json", 1
#: what an interrupted backup left is removed when it is older; a younger one may be a run that goes on
ABANDONED_S = 24 * 3600
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        cluster: whose it is.
        made_at: when it was begun, as ISO 8601 in UTC.
        parts: of each part what is known of it, such as the version of the database.
        files: of each file, by its path in the backup, its size in ``bytes`` and its ``sha256``.
    """

    cluster: str
    made_at: str
    parts: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, Mapping[str, Any]]


def begin(root: Path, *, now: datetime) -> Path:
    """Make the directory of a new backup, readable by its owner only, and return it.

    Raises:
        BackupError: another backup was begun in the same second.
        OSError: the directory can't be made.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    path = root / f"{now.astimezone(UTC):{_TIME}}{PARTIAL}"
    if path.exists() or _final(path).exists():
        raise BackupError(f"{path} exists already; another backup was just begun: wait for it to end")
    path.mkdir(mode=0o700)
    return path


def finish(partial: Path, *, cluster: str, parts: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write the manifest, bring everything to the disk, give the backup its name, and return its path.

    Raises:
        BackupError: there is nothing in it, or it is no unfinished backup.
        OSError: a file can't be read or written.
    """
    if not partial.name.endswith(PARTIAL) or not partial.is_dir():
        raise BackupError(f"{partial} is no unfinished backup")
    files = {str(path.relative_to(partial)): _seal(path) for path in _files(partial)}
    if not files:
        raise BackupError(f"{partial} is empty: no part was saved")
    made_at = datetime.strptime(_final(partial).name, _TIME).replace(tzinfo=UTC)
    manifest = {
        "format": FORMAT,
        "cluster": cluster,
        "made_at": made_at.isoformat(),
        "parts": parts,
        "files": files,
    }
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    _seal(partial / MANIFEST)
    for directory in sorted(path for path in partial.rglob("*") if path.is_dir()):
        directory.chmod(0o700)
        _sync(directory)
    _sync(partial)
    final = partial.rename(_final(partial))
    _sync(final.parent)
    return final


def read(path: Path) -> Manifest:
    """Return a backup's manifest.

    Raises:
        BackupError: it is not there, was interrupted, or is no manifest of ours.
    """
    if path.name.endswith(PARTIAL):
        raise BackupError(f"{path} was interrupted while it was made, and is of no use; choose another one")
    try:
        data = json.loads((path / MANIFEST).read_text())
        if data["format"] != FORMAT:
            raise BackupError(
                f"{path} has format {data['format']}, and this data-miner reads {FORMAT}; use the data-miner "
                "that made it"
            )
        return Manifest(
            cluster=data["cluster"], made_at=data["made_at"], parts=data["parts"], files=data["files"]
        )
    except OSError as error:
        raise BackupError(
            f"{path / MANIFEST}: {error.strerror}; this is no backup, or was not copied whole"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path / MANIFEST} is damaged ({error!r}); choose another backup") from error


def verify(path: Path) -> Manifest:
    """Compare every file of a backup with its manifest, and return that.

    Raises:
        BackupError: a file is missing, too much, or another one than it was; the message names each.
    """
    manifest = read(path)
    there = {str(file.relative_to(path)) for file in _files(path)} - {MANIFEST}
    problems = [f"{name} is missing" for name in sorted(manifest.files.keys() - there)]
    problems += [f"{name} is not in the manifest" for name in sorted(there - manifest.files.keys())]
    problems += [
        f"{name} has changed: sha256 {found}, should be {manifest.files[name]['sha256']}"
        for name in sorted(manifest.files.keys() & there)
        if (found := sha256(path / name)) != manifest.files[name]["sha256"]
    ]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise BackupError(f"{path} is damaged, choose another backup:\n{listed}")
    return manifest


def complete(root: Path) -> list[Path]:
    """Return the finished backups of a directory, the oldest first."""
    if not root.is_dir():
        return []
    return sorted(
        path for path in root.iterdir() if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file()
    )


def latest(root: Path) -> datetime | None:
    """Return when the newest finished backup of a directory was begun; None where there is none."""
    found = complete(root)
    return datetime.strptime(found[-1].name, _TIME).replace(tzinfo=UTC) if found else None


def choose(root: Path, name: str) -> Path:
    """Return the backup of a name, or of a path that holds a slash; the latest one for no name.

    Raises:
        BackupError: there is none.
    """
    if "/" in name:
        return Path(name).expanduser().absolute()
    found = complete(root)
    if not found:
        raise BackupError(
            f"{root} holds no finished backup; make one with: ansible-playbook playbooks/backup.yml"
        )
    if not name:
        return found[-1]
    if root / name not in found:
        known = ", ".join(path.name for path in found[-5:])
        raise BackupError(f"{root} holds no finished backup {name}; the latest are: {known}")
    return root / name


def superseded(names: list[str], keep: int | None) -> list[str]:
    """Return which of these names of backups are more than shall be kept, the oldest first."""
    dated = sorted(name for name in names if _NAME.fullmatch(name))
    return dated[: max(len(dated) - keep, 0)] if keep is not None else []


def prune(root: Path, keep: int | None, *, spare: str = "", now_s: float | None = None) -> list[str]:
    """Remove finished backups beyond the newest ``keep``, and what interrupted ones left; return their names.

    Args:
        root: the directory of backups.
        keep: how many stay; None for all.
        spare: the name of one that stays, whatever the clock said when it was made.
        now_s: the time, for tests.

    Raises:
        OSError: one can't be removed.
    """
    now_s = time.time() if now_s is None else now_s
    left = [
        path.name
        for path in root.iterdir()
        if path.name.endswith(PARTIAL)
        and _NAME.fullmatch(path.name.removesuffix(PARTIAL))
        and now_s - path.stat().st_mtime > ABANDONED_S
    ]
    old = [name for name in superseded([path.name for path in complete(root)], keep) if name != spare]
    gone = old + sorted(left)
    for name in gone:
        # Without its manifest it is no backup any more, should the removal be interrupted.
        (root / name / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(root / name)
    return gone


def sha256(path: Path) -> str:
    """Return a file's checksum."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _final(partial: Path) -> Path:
    return partial.with_name(partial.name.removesuffix(PARTIAL))


def _files(root: Path) -> Iterator[Path]:
    yield from sorted(path for path in root.rglob("*") if path.is_file() or path.is_symlink())


def _seal(path: Path) -> dict[str, Any]:
    """Make a file its owner's only, bring it to the disk, and return its size and checksum."""
    path.chmod(0o600)
    _sync(path)
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
