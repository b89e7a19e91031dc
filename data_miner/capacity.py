"""How full the shared storage is, and what follows: a warning, then no downloads until there is room again.

A storage that is full to the last byte turns every write into an error, those of finished work too. So
downloads stop before, while what is there can still be worked on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from data_miner.config.model import StorageConfig

#: how long there must be room again before downloads go on
OPEN_AFTER_S = 180.0


@dataclass(frozen=True, kw_only=True)
class Space:
    """Size and free space of a file system."""

    size_bytes: int
    free_bytes: int

    @property
    def used_percent(self) -> float:
        """How full it is."""
        return 100 * (1 - self.free_bytes / self.size_bytes) if self.size_bytes else 0.0


def space(path: Path) -> Space:
    """Return the space of the file system that a path lies on.

    Raises:
        OSError: it does not answer.
    """
    found = os.statvfs(path)
    return Space(size_bytes=found.f_blocks * found.f_frsize, free_bytes=found.f_bavail * found.f_frsize)


class Gate:
    """Closed from the one limit on, until usage stays below the other for a while: so that it does not flap.

    SeaweedFS's master takes a while to learn again what is used after it was started, and says nothing is.
    """

    def __init__(self, config: StorageConfig) -> None:
        self._config = config
        self.closed = False
        self._below_since_s: float | None = None

    def look(self, used_percent: float, now_s: float) -> bool:
        """Return whether it is closed, now that so much is used."""
        if not self.closed:
            self.closed = used_percent >= self._config.pause_percent
            self._below_since_s = None
        elif used_percent >= self._config.resume_percent:
            self._below_since_s = None
        else:
            since = now_s if self._below_since_s is None else self._below_since_s
            self._below_since_s = since
            self.closed = now_s - since < OPEN_AFTER_S
        return self.closed


def problem(used_percent: float, config: StorageConfig) -> str:
    """Say that the shared storage is too full to go on; nothing while it is not."""
    if used_percent < config.pause_percent:
        return ""
    return (
        f"the shared storage is {used_percent:.0f} % full: no downloads until it is below "
        f"{config.resume_percent:g} %"
    )


def warning(used_percent: float, config: StorageConfig) -> str:
    """Say that the shared storage fills up; nothing while it does not, or is too full already."""
    if not config.warn_percent <= used_percent < config.pause_percent:
        return ""
    return f"the shared storage is {used_percent:.0f} % full; downloads stop at {config.pause_percent:g} %"
