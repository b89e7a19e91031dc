"""Mount points, and removing directories without ever crossing one."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


class MountedBelowError(OSError):
    """A directory holds a mount point, so it was not removed."""


def parse_mountinfo(text: str) -> dict[str, str]:
    """Return the file system type of each mount point; of several at one place, the uppermost."""
    found = {}
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        found[_unescape(fields.split(" ")[4])] = rest.split(" ")[0]
    return found


def mounts() -> dict[str, str]:
    """Return the machine's mount points, each with its file system type."""
    return parse_mountinfo(MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))


def remove_tree(path: str, *, keep_root: bool = False) -> None:
    """Remove a directory and all below it, on its own file system only.

    Args:
        path: a directory, no symbolic link.
        keep_root: leave the directory itself, which may then be a mount point.

    Raises:
        MountedBelowError: something is mounted at it or below; nothing was removed.
    """
    barred = [m for m in sorted(mounts()) if m.startswith(path + "/") or (m == path and not keep_root)]
    if barred:
        raise MountedBelowError(f"{barred[0]} is mounted")
    _empty(path, os.lstat(path).st_dev)
    if not keep_root:
        Path(path).rmdir()


def _empty(path: str, device: int) -> None:
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink()
            elif entry.stat(follow_symlinks=False).st_dev != device:
                raise MountedBelowError(f"{entry.path} is mounted")
            else:
                _empty(entry.path, device)
                Path(entry.path).rmdir()


def _unescape(field: str) -> str:
    r"""Undo the kernel's octal escapes of blanks and backslashes (\040)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
