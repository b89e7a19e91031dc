"""Debian packages: which are installed, and installing the missing ones."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess

from .model import StateError
from .run import last_lines, run

LISTS = Path("/var/lib/apt/lists")
#: package lists older than this many seconds are fetched anew before something is installed
FRESH_S = 86_400
#: seconds that apt may take, and that it may wait for another apt
INSTALL_TIMEOUT_S, LOCK_TIMEOUT_S = 900, 180


#: keeps configuration files that somebody edited
INSTALL = ("install", "--yes", "--no-install-recommends", "--option=Dpkg::Options::=--force-confold")


def installed(names: Iterable[str]) -> frozenset[str]:
    """Return those of the packages that are installed."""
    if not (wanted := sorted(names)):
        return frozenset()
    listed = run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", "--", *wanted)
    rows = (line.split(" ") for line in listed.stdout.splitlines())
    return frozenset(name for name, status in rows if status == "installed")


def install(names: Iterable[str]) -> None:
    """Install packages; the lists are fetched first when they are missing or old, or else when apt fails.

    Raises:
        StateError: apt refuses, with its own words.
    """
    wanted = sorted(names)
    updated = not _fresh()
    if updated:
        _update()
    done = _apt(*INSTALL, *wanted)
    if done.returncode and not updated:
        _update()
        done = _apt(*INSTALL, *wanted)
    if done.returncode:
        raise StateError(
            f"apt can't install {', '.join(wanted)}:\n{last_lines(done.stderr or done.stdout, 8)}\n"
            "Check the machine's package sources (/etc/apt) and its network, then run this again."
        )


def _update() -> None:
    done = _apt("update")
    if done.returncode:
        raise StateError(
            f"apt-get update fails:\n{last_lines(done.stderr or done.stdout, 8)}\n"
            "Check the machine's package sources (/etc/apt) and its network, then run this again."
        )


def _apt(*arguments: str) -> CompletedProcess[str]:
    return run(
        "apt-get",
        "--quiet",
        f"--option=DPkg::Lock::Timeout={LOCK_TIMEOUT_S}",
        *arguments,
        timeout_s=INSTALL_TIMEOUT_S,
    )


def _fresh() -> bool:
    lists = [path for path in LISTS.glob("*_Packages*") if path.is_file()]
    return bool(lists) and max(path.stat().st_mtime for path in lists) > time.time() - FRESH_S
