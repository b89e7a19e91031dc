"""Mount points, and removing directories without ever crossing one."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from .node_state.run import last_lines, run

MOUNTINFO = Path("/proc/self/mountinfo")
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MountedBelowError(OSError):
    """A directory holds a mount point, so it was not removed."""


class LinkedError(OSError):
    """A directory is reached through a symbolic link, so it was not removed."""


class UnmountError(Exception):
    """A file system stays mounted; the message says which and why."""


def is_fuse(kind: str) -> bool:
    """Tell whether a file system type is one of FUSE's (fuseblk, a disk, and fusectl are not)."""
    return kind == "fuse" or kind.startswith("fuse.")


def parse_mountinfo(text: str) -> list[tuple[str, str]]:
    """Return mount point and file system type of each mount, in the order in which they were mounted."""
    found = []
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        found.append((_unescape(fields.split(" ")[4]), rest.split(" ")[0]))
    return found


def all_mounts() -> list[tuple[str, str]]:
    """Return the machine's mounts, several at one place too."""
    return parse_mountinfo(MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))


def mounts() -> dict[str, str]:
    """Return the file system type at each mount point; of several at one place, the uppermost."""
    return dict(all_mounts())


def unmount(path: str) -> None:
    """Unmount what is uppermost at a path, lazily where it is in use or its process is dead.

    Raises:
        UnmountError: it can't be unmounted.
    """
    if run("umount", "--no-canonicalize", "--", path, timeout_s=30).returncode:
        lazily = run("umount", "--no-canonicalize", "--lazy", "--", path, timeout_s=30)
        if lazily.returncode:
            raise UnmountError(f"{path} can't be unmounted:\n{last_lines(lazily.stderr, 3)}")


def remove_tree(path: str, *, keep_root: bool = False) -> None:
    """Remove a directory and all below it, on its own file system only and never through a symbolic link.

    Args:
        path: a directory, itself no symbolic link and below none.
        keep_root: leave the directory itself, which may then be a mount point.

    Raises:
        LinkedError: a symbolic link is on the way to it; nothing was removed.
        MountedBelowError: something is mounted at it or below; nothing was removed.
    """
    if (real := os.path.realpath(path)) != path:
        raise LinkedError(f"{path} leads to {real}")
    barred = [m for m in sorted(mounts()) if m.startswith(path + "/") or (m == path and not keep_root)]
    if barred:
        raise MountedBelowError(f"{barred[0]} is mounted")
    directory = os.open(path, OPEN_DIRECTORY)
    try:
        _empty(directory, path, os.fstat(directory).st_dev)
    finally:
        os.close(directory)
    if not keep_root:
        Path(path).rmdir()


def _empty(directory: int, path: str, device: int) -> None:
    """Empty an open directory, each below opened from its parent, so that none is swapped for a link.

    What somebody else removes meanwhile, as containerd does with a container's pipes, is gone as well.
    """
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    _remove_directory(directory, entry.name, f"{path}/{entry.name}", device)
                else:
                    os.unlink(entry.name, dir_fd=directory)


def _remove_directory(parent: int, name: str, path: str, device: int) -> None:
    directory = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
    try:
        if os.fstat(directory).st_dev != device:
            raise MountedBelowError(f"{path} is mounted")
        _empty(directory, path, device)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=parent)


def _unescape(field: str) -> str:
    r"""Undo the kernel's octal escapes of blanks and backslashes (\040)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
