"""Files from PyPI packages: a lock file names each wheel with its digests, and pip checks them."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop, files_digest

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)


def wheels(name: str, lock: Path, *, estimate: str) -> Recipe:
    """Return the recipe of the wheels that a lock file names."""
    pins = _PIN.findall(lock.read_text("utf-8"))

    def build(shop: Workshop) -> dict[str, Any]:
        shop.run(
            sys.executable,
            *("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
            *("--no-deps", "--only-binary=:all:", "--require-hashes"),
            *("--requirement", lock, "--dest", shop.output),
        )
        return {}

    return Recipe(
        name=name,
        version=" ".join(version for _, version in pins),
        source=f"PyPI: {', '.join(f'{package} {version}' for package, version in pins)}",
        inputs={"lock": files_digest(lock.parent, [lock.name]), "platform": sys.platform},
        estimate=estimate,
        build=build,
        verb="fetching",
    )


def unpack(directory: Path, patterns: dict[str, Path]) -> None:
    """Take files out of wheels.

    Args:
        directory: holds the wheels.
        patterns: globs of paths within wheels, each to a file where one matches, else into a directory that
            is there.

    Raises:
        ArtifactError: a pattern matches nothing.
    """
    left = set(patterns)
    for wheel in sorted(directory.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                for pattern, target in patterns.items():
                    if not member.is_dir() and PurePosixPath(member.filename).match(pattern):
                        _extract(archive, member, target)
                        left.discard(pattern)
    if left:
        raise ArtifactError(f"no wheel in {directory} holds {', '.join(sorted(left))}")


def unpack_tree(shop: Workshop, directory: Path, prefix: str, target: Path, *, without: str) -> None:
    """Take a whole directory out of the wheels, with the files that run.

    Args:
        shop: where the work is done, which may be given up.
        directory: holds the wheels.
        prefix: the directory's path in them, with a slash at the end.
        target: becomes that directory.
        without: a regular expression of paths that are left out.

    Raises:
        ArtifactError: there is none.
    """
    left_out = re.compile(without)
    found = False
    for wheel in sorted(directory.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                shop.check()
                name = member.filename
                if name.startswith(prefix) and not member.is_dir() and not left_out.search(name):
                    found = True
                    _extract(archive, member, target / member.filename.removeprefix(prefix))
    if not found:
        raise ArtifactError(f"no wheel in {directory} holds {prefix}")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    path = target / Path(member.filename).name if target.is_dir() else target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive.read(member))
    path.chmod(0o755 if (member.external_attr >> 16) & 0o100 else 0o644)
