"""The words of node_state: what is wanted, what was seen, and what was recorded earlier."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class StateError(Exception):
    """The node can't be brought into the wanted state; the message says why and what to do."""


def digest(content: bytes) -> str:
    """SHA-256 of a content, in hex."""
    return hashlib.sha256(content).hexdigest()


# --- wanted ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Permission bits and numeric owner of a path."""

    mode: int
    uid: int
    gid: int

    def text(self) -> str:
        """Return what a person compares."""
        return f"mode {self.mode:04o}, owner {self.uid}:{self.gid}"


@dataclass(frozen=True, kw_only=True)
class WantedDirectory:
    """A directory; one with ``data`` survives an uninstall that does not wipe."""

    path: str
    attributes: Attributes
    data: bool = False


@dataclass(frozen=True, kw_only=True)
class WantedFile:
    """A whole file; a ``secret`` one is never shown."""

    path: str
    content: bytes
    attributes: Attributes
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class WantedBlock:
    """Lines between markers of ours in a file that others write too."""

    path: str
    content: str


@dataclass(frozen=True, kw_only=True)
class WantedUnit:
    """A systemd unit; ``enabled`` or ``running`` None is left as it is."""

    name: str
    enabled: bool | None = None
    running: bool | None = None
    restart_on: tuple[str, ...] = ()
    timeout_s: int = 300


@dataclass(frozen=True, kw_only=True)
class WantedDisk:
    """A file system size without which nothing is done; ``reason`` tells who asks for it and the remedy."""

    path: str
    at_least_mb: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Everything that one role wants of a node. ``name`` is what the record files it under."""

    name: str
    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    directories: tuple[WantedDirectory, ...] = ()
    files: tuple[WantedFile, ...] = ()
    blocks: tuple[WantedBlock, ...] = ()
    absent: tuple[str, ...] = ()
    only_wanted_in: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    sysctls_at_least: Mapping[str, int] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    units: tuple[WantedUnit, ...] = ()
    disks: tuple[WantedDisk, ...] = ()
    #: of directories on the way to what is wanted, and of files that only a block makes
    parent_attributes: Attributes = field(default_factory=lambda: Attributes(mode=0o755, uid=0, gid=0))


# --- seen -----------------------------------------------------------------------------------------------


class Kind(enum.Enum):
    """What is at a path."""

    MISSING = "nothing"
    FILE = "a file"
    DIRECTORY = "a directory"
    OTHER = "neither file nor directory"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is at a path; ``content`` of files only, ``children`` of directories only.

    ``real`` is where the path leads if a symbolic link is on the way, else empty.

    A mounted FUSE file system is a directory without attributes: touching it could hang, and it is not ours.
    """

    kind: Kind = Kind.MISSING
    attributes: Attributes | None = None
    content: bytes | None = None
    sha256: str | None = None
    children: frozenset[str] = frozenset()
    real: str = ""


NOTHING = Seen()


class Loaded(enum.Enum):
    """How the kernel has a module."""

    NO = "not loaded"
    LOADED = "loaded"
    BUILT_IN = "built in"


@dataclass(frozen=True, kw_only=True)
class SeenUnit:
    """What systemd says of a unit."""

    active: str = "inactive"
    enabled: str = ""
    needs_reload: bool = False

    @property
    def running(self) -> bool:
        """Whether it is up."""
        return self.active in {"active", "reloading"}

    @property
    def down(self) -> bool:
        """Whether nothing of it runs."""
        return self.active in {"inactive", "failed"}


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The part of the machine that the wanted state and the record speak of."""

    packages: frozenset[str] = frozenset()
    modules: Mapping[str, Loaded] = field(default_factory=dict)
    paths: Mapping[str, Seen] = field(default_factory=dict)
    sysctls: Mapping[str, str | None] = field(default_factory=dict)
    units: Mapping[str, SeenUnit] = field(default_factory=dict)
    mounts: frozenset[str] = frozenset()

    def at(self, path: str) -> Seen:
        """Return what is at a path."""
        return self.paths.get(path, NOTHING)

    def unit(self, name: str) -> SeenUnit:
        """Return what systemd says of a unit."""
        return self.units.get(name, SeenUnit())


# --- recorded -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Met:
    """A state that the machine was brought into; ``wanted`` are plain values, with digests for contents.

    ``inputs`` is the caller's digest of all that its options follow from; empty where it gave none.
    ``stamps`` tell of big files whether they are still those of the wanted digests, without reading them.
    """

    inputs: str
    wanted: Mapping[str, Any]
    stamps: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Owned:
    """What was made for one name: files, blocks, directories (and whether they hold data), units.

    A unit's text is the digest of what it was started with; empty where it has not been started. ``places``
    has where a directory was really made, if symbolic links led there. ``made_for_blocks`` are the files that
    were not there before their block. ``met`` is None from the moment of planning until everything is done.
    """

    files: frozenset[str] = frozenset()
    blocks: frozenset[str] = frozenset()
    made_for_blocks: frozenset[str] = frozenset()
    directories: Mapping[str, bool] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    met: Met | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return not (self.files or self.blocks or self.directories or self.units or self.met)
