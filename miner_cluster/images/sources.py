"""What the workers' images are made of. It decides: the same content gives the same images."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from miner_cluster.artifacts.recipe import ArtifactError

#: what is built of the Dockerfile: without models, or with them on top
Target = Literal["workers", "models"]
#: the files that enter a build besides the package; .dockerignore lets nothing else in
LOCKS: dict[Target, tuple[str, ...]] = {
    "workers": ("image/requirements.lock",),
    "models": ("image/requirements.lock", "image/models.lock", "image/torch.lock"),
}
DOCKERFILE = "Dockerfile"
IGNORES = ".dockerignore"
PACKAGE = "data_miner"
#: what makes the database's schema
MIGRATIONS = "data_miner/db/migrations"
_BASE = re.compile(r"^ARG BASE_IMAGE=(\S+)$", re.MULTILINE)


def package_files(checkout: Path) -> Iterator[Path]:
    """Yield the files of the package in a fixed order, leaving out what .dockerignore leaves out."""
    for directory, names, files in os.walk(checkout / PACKAGE):
        names[:] = sorted(name for name in names if not _ignored(name))
        yield from (Path(directory, name) for name in sorted(files) if not _ignored(name))


def sources_digest(checkout: Path, target: Target, models: Path | None = None) -> str:
    """Return a digest of everything that enters an image from the checkout and the directory of models.

    Raises:
        ArtifactError: a file is missing or can't be read.
    """
    own = _digest(models, sorted(path for path in models.rglob("*") if path.is_file())) if models else ""
    return own + _digest(checkout, [*_dependencies(checkout, target), *package_files(checkout)])


def dependencies_digest(checkout: Path, target: Target) -> str:
    """Return a digest of all that but the package, which changes most often.

    Raises:
        ArtifactError: a file is missing or can't be read.
    """
    return _digest(checkout, _dependencies(checkout, target))


def locks_digest(checkout: Path, target: Target) -> str:
    """Return a digest of the locks alone.

    Raises:
        ArtifactError: one is missing or can't be read.
    """
    return _digest(checkout, [checkout / name for name in LOCKS[target]])


def schema_digest(checkout: Path) -> str:
    """Return a digest of the database's schema that the package brings.

    Raises:
        ArtifactError: a file can't be read.
    """
    migrations = checkout / MIGRATIONS
    return _digest(checkout, [path for path in package_files(checkout) if path.parent == migrations])


def _dependencies(checkout: Path, target: Target) -> list[Path]:
    return [checkout / name for name in (DOCKERFILE, IGNORES, *LOCKS[target])]


def _digest(checkout: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    try:
        for path in paths:
            runs = "x" if path.stat().st_mode & 0o111 else "-"
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(checkout)} {runs} {content}\n".encode())
    except OSError as error:
        raise ArtifactError(
            f"{error.filename}: {error.strerror}; restore it from the repository: the workers' image needs it"
        ) from error
    return digest.hexdigest()


def default_base(checkout: Path) -> str:
    """Return the base image that the Dockerfile names.

    Raises:
        ArtifactError: it names none.
    """
    dockerfile = checkout / DOCKERFILE
    if found := _BASE.search(dockerfile.read_text("utf-8")):
        return found.group(1)
    raise ArtifactError(f"{dockerfile} has no line ARG BASE_IMAGE=REFERENCE; add it")


def _ignored(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"
