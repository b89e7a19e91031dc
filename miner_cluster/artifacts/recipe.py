"""What an artifact is, and what the function that makes it may use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from data_miner.errors import MinerError

_CHUNK = 1 << 20


class ArtifactError(MinerError):
    """An artifact can't be had; the text says which and what to do."""


class Workshop(Protocol):
    """Where a recipe works."""

    #: becomes the artifact; empty at first
    output: Path
    #: for anything else; removed afterwards
    scratch: Path
    #: kept between builds and shared by all recipes, for the caches of compilers
    cache: Path

    def run(self, *argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a command and return what it printed.

        Raises:
            ArtifactError: it failed; with the end of what it printed.
        """

    def check(self) -> None:
        """End the build where it was given up; for work that is done without commands."""

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Let no other build hold the name meanwhile: the next one gains from what is left in ``cache``."""

    def need(self, recipe: Recipe) -> Path:
        """Return the directory of another artifact, built first where it is not there."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One artifact. Two recipes with the same key make the same thing."""

    #: names the directory in the cache, and the artifact in messages
    name: str
    version: str
    #: where the content comes from, for people
    source: str
    #: everything that the content depends on, as plain values
    inputs: Mapping[str, Any]
    #: how long it takes the first time, such as ``about 4 minutes``
    estimate: str
    #: fills ``output``; what it returns is kept in the manifest as ``facts``
    build: Callable[[Workshop], dict[str, Any]] = field(compare=False)
    #: the one file that matters; empty where it is the whole directory
    file: str = ""
    #: the full name of an image
    reference: str = ""
    #: a sentence for people where the artifact stands in for another one, else empty
    stand_in: str = ""
    #: says what happens: ``building`` or ``fetching``
    verb: str = "building"

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change when any input does."""
        content = {"version": self.version, "inputs": self.inputs}
        text = json.dumps(content, sort_keys=True, default=_refuse)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Return the digest of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def files_digest(root: Path, patterns: Iterable[str]) -> str:
    """Return a digest of the files below a directory that match: their paths and texts.

    Raises:
        ArtifactError: no file matches one of the patterns.
    """
    digest = hashlib.sha256()
    for pattern in patterns:
        paths = sorted(path for path in root.glob(pattern) if path.is_file())
        if not paths:
            raise ArtifactError(
                f"{root}: no file matches {pattern}; restore the directory from the repository"
            )
        for path in paths:
            digest.update(f"{file_sha256(path)}  {path.relative_to(root)}\n".encode())
    return digest.hexdigest()


def _refuse(value: object) -> str:
    raise TypeError(f"{value!r} is no plain value, so it can't be part of a key")
