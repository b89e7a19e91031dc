"""Telling whether the shared directory is really mounted.

When a FUSE mount is away, its mount point is a plain directory on the node's own disk: writes would land
there in silence. A dead mount still looks mounted and hangs or fails when touched. So both are checked.
"""

from __future__ import annotations

import errno
import os
import re
import threading
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


def fuse_mounts(mountinfo: str) -> set[str]:
    """Return the mount points of FUSE file systems that are on top, from the text of /proc/self/mountinfo.

    A later line for the same mount point covers an earlier one.
    """
    types: dict[str, str] = {}
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        if separator:
            types[_unescape(left.split()[4])] = right.split()[0]
    return {point for point, kind in types.items() if kind == "fuse" or kind.startswith("fuse.")}


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
        os.stat(path)  # noqa: PTH116
        answer.append(None)
    except OSError as error:
        answer.append(error)


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
