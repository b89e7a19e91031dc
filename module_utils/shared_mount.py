"""The shared file system of a machine: whether it is mounted, and doing things there that may hang."""

from __future__ import annotations

import os
import threading
from typing import Any

from .mounts import mounts

STAT_TIMEOUT_S = 10.0


class SharedMountError(Exception):
    """The shared file system does not do what it should; the message says what."""


def bounded(timeout_s: float, action: Any, *args: Any) -> str:
    """Run something that may hang; return what went wrong, nothing when it went well."""
    failures = ["it did not answer in time"]

    def run() -> None:
        try:
            action(*args)
        except (OSError, SharedMountError) as error:
            failures[0] = str(error)
        else:
            failures.clear()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return failures[0] if failures else ""


def is_mounted(mount: str) -> bool:
    """Whether a FUSE file system is mounted there and answers; a dead one still looks mounted."""
    if not mounts().get(mount, "").startswith("fuse"):
        return False
    return not bounded(STAT_TIMEOUT_S, os.statvfs, mount)
