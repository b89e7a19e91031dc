"""A second place for backups: any remote that rclone knows. The manifest goes last: half a copy is none."""

from __future__ import annotations

import subprocess
from pathlib import Path

from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.sets import MANIFEST, superseded

_SHOWN = 400


def send(backup: Path, remote: str, keep: int | None) -> list[str]:
    """Copy a finished backup, remove what is more than shall be kept there, and return the names of these.

    Raises:
        BackupError: rclone is missing, or fails.
    """
    target = f"{remote}/{backup.name}"
    _rclone("copy", "--exclude", f"/{MANIFEST}", str(backup), target)
    _rclone("copyto", str(backup / MANIFEST), f"{target}/{MANIFEST}")
    _rclone("check", str(backup), target)
    gone = [name for name in superseded(names(remote), keep) if name != backup.name]
    for name in gone:
        _rclone("deletefile", f"{remote}/{name}/{MANIFEST}")
        _rclone("purge", f"{remote}/{name}")
    return gone


def names(remote: str) -> list[str]:
    """Return the names of the whole backups at a remote, the oldest first.

    Raises:
        BackupError: rclone is missing, or fails.
    """
    found = _rclone(
        "lsf", "--recursive", "--files-only", "--max-depth", "2", "--include", f"/*/{MANIFEST}", remote
    )
    return sorted(line.partition("/")[0] for line in found.splitlines())


def receive(remote: str, name: str, root: Path) -> Path:
    """Bring a backup from a remote, the latest for no name, and return where it lies now.

    Raises:
        BackupError: there is none, rclone is missing, or fails.
    """
    known = names(remote)
    if not known or (name and name not in known):
        listed = ", ".join(known[-5:]) or "none"
        raise BackupError(f"{remote} has no finished backup {name or 'at all'}; the latest there: {listed}")
    chosen = name or known[-1]
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (root / chosen / MANIFEST).exists():
        # As it went: a copy that is interrupted is no backup.
        _rclone("copy", "--exclude", f"/{MANIFEST}", f"{remote}/{chosen}", str(root / chosen))
        _rclone("copyto", f"{remote}/{chosen}/{MANIFEST}", str(root / chosen / MANIFEST))
        for path in [root / chosen, *(root / chosen).rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
    return root / chosen


def _rclone(*arguments: str) -> str:
    command = ["rclone", "--quiet", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    except OSError as error:
        raise BackupError(
            f"rclone: {error.strerror}; backup.remote in cluster_config.yaml needs it: apt-get install rclone"
        ) from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-_SHOWN:]
        raise BackupError(
            f"rclone {' '.join(arguments)} ends with {done.returncode}: {said}; "
            "`rclone config` sets remotes up"
        )
    return done.stdout
