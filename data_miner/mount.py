"""Telling whether the shared directory is really mounted.

When a FUSE mount is away, its mount point is a plain directory on the node's own disk: writes would land
there in silence. A dead mount still looks mounted and hangs or fails when touched. So both are checked.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data_miner.errors import NotReadyError

MOUNTINFO = Path("/proc/self/mountinfo")

#: a mount that does not answer within this many seconds is away; SeaweedFS fails a call after 13 to 30 s
STAT_TIMEOUT_S = 10.0

_FAULTS = {
    errno.ENOTCONN,
    errno.EIO,
    errno.ESTALE,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENODEV,
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
}


class StorageAwayError(NotReadyError):
    """The output directory cannot be used now, whichever item wants it: the worker pauses."""


def is_storage_fault(error: OSError) -> bool:
    """Tell whether an error lies in the storage rather than in the item."""
    return error.errno in _FAULTS


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in errors of the block, which by themselves only those of opening one do."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def fuse_mounts(mountinfo: str) -> set[str]:
    """Return the mount points of FUSE file systems that are on top, from the text of /proc/self/mountinfo."""
    kinds = {point: line.partition(" - ")[2].split()[0] for point, line in _uppermost(mountinfo).items()}
    return {point for point, kind in kinds.items() if kind == "fuse" or kind.startswith("fuse.")}


@contextmanager
def held(mount: Path) -> Iterator[Callable[[], bool]]:
    """Hold on to what is mounted now; yields what tells whether it is mounted still, without touching it.

    A mount that is replaced can be told by the number of its device, which the kernel gives to no other one
    while a descriptor of the old one is open.

    Raises:
        OSError: the directory can't be opened.
    """
    descriptor = os.open(mount, os.O_PATH | os.O_DIRECTORY)
    try:
        device = os.fstat(descriptor).st_dev
        yield lambda: _device(mount) == device
    finally:
        os.close(descriptor)


def _device(mount: Path) -> int | None:
    """Return the device of what is mounted at a path; None where nothing is."""
    line = _uppermost(MOUNTINFO.read_text()).get(str(mount))
    if line is None:
        return None
    major, _, minor = line.split()[2].partition(":")
    return os.makedev(int(major), int(minor))


def _uppermost(mountinfo: str) -> dict[str, str]:
    """Return the line of each mount point; a later one covers an earlier one."""
    lines = [line for line in mountinfo.splitlines() if " - " in line]
    return {_unescape(line.split()[4]): line for line in lines}


def require_mount(mount: Path, root: Path) -> None:
    """Check that ``mount`` is a live FUSE mount and that ``root`` lies on it.

    Raises:
        StorageAwayError: in words, which of these is not so.
    """
    if not root.is_relative_to(mount) or ".." in root.parts:
        raise StorageAwayError(f"output_dir {root} does not lie on the shared mount {mount}")
    if str(mount) not in fuse_mounts(MOUNTINFO.read_text()):
        raise StorageAwayError(f"{mount} is not mounted (no FUSE mount there); nothing is written")
    answer: list[OSError | None] = []
    thread = threading.Thread(target=_touch, args=(mount, answer), daemon=True)
    thread.start()
    thread.join(STAT_TIMEOUT_S)
    if not answer:
        raise StorageAwayError(f"{mount} does not answer within {STAT_TIMEOUT_S:g} s")
    if answer[0] is not None:
        raise StorageAwayError(f"{mount}: {answer[0].strerror}")


def _touch(path: Path, answer: list[OSError | None]) -> None:
    try:
        # Not os.stat: the kernel goes on answering that from its cache after the mount's process died.
        os.statvfs(path)
        answer.append(None)
    except OSError as error:
        answer.append(error)


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
