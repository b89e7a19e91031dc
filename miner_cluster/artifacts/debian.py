"""Root file systems from Debian packages, by mmdebstrap: the same packages give the same bytes."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from miner_cluster.artifacts.recipe import Workshop

#: the time of every file that a build makes
EPOCH = 1_704_067_200
_MIRROR = "http://deb.debian.org/debian"
_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
_ARCHIVE = re.compile(r"^[^#]*?\b(https?://[^\s]+/debian)/?(?=\s|$)", re.MULTILINE)
#: never read in a container, and half of its size
_LEFT_OUT = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
)


@dataclass(frozen=True, kw_only=True)
class RootFilesystem:
    """What goes into one."""

    suite: Literal["bookworm", "trixie"]
    #: ``essential`` lacks apt
    variant: Literal["essential", "minbase"]
    packages: tuple[str, ...]
    #: scripts that get the directory of the root file system, before and after the packages are installed
    prepare: Path | None = None
    customize: Path | None = None
    #: more patterns of files that are not unpacked
    leave_out: tuple[str, ...] = ()


def build_root_filesystem(shop: Workshop, wanted: RootFilesystem, tar: Path) -> None:
    """Make a tar of a root file system.

    Raises:
        ArtifactError: mmdebstrap failed.
    """
    options = [*_LEFT_OUT, *(f"path-exclude={pattern}" for pattern in wanted.leave_out)]
    hooks = ['--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"']
    if wanted.prepare:
        hooks.append(f'--essential-hook=sh {shlex.quote(str(wanted.prepare))} "$1"')
    if wanted.customize:
        hooks.append(f'--customize-hook=sh {shlex.quote(str(wanted.customize))} "$1"')
    shop.run(
        *_alone(),
        "mmdebstrap",
        "--quiet",
        f"--variant={wanted.variant}",
        f"--include={','.join(wanted.packages)}",
        *(f"--dpkgopt={option}" for option in options),
        *hooks,
        wanted.suite,
        tar,
        *sources(wanted.suite, mirror()),
        env={"SOURCE_DATE_EPOCH": str(EPOCH)},
    )


def _alone() -> tuple[str, ...]:
    """Return how root runs a command so that its processes and mounts end with it, also when it is killed.

    Others than root are given such namespaces by mmdebstrap itself.
    """
    if os.geteuid() != 0:
        return ()
    return ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


def sources(suite: str, archive: str) -> list[str]:
    """Return apt's sources of a release with its fixes."""
    return [
        f"deb {archive} {suite} main",
        f"deb {archive} {suite}-updates main",
        f"deb {archive}-security {suite}-security main",
    ]


def mirror(files: Sequence[Path] | None = None) -> str:
    """Return the archive of Debian that this machine's apt uses, else the usual one."""
    paths = [path for pattern in _SOURCES for path in sorted(Path("/").glob(pattern[1:]))]
    for path in paths if files is None else files:
        if found := _ARCHIVE.search(path.read_text("utf-8", "replace")):
            return found[1]
    return _MIRROR
