"""Reading and replacing files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

from .model import Attributes, Kind, Seen, digest


def look(path: str, *, content: bool = False, sha256: bool = False, children: bool = False) -> Seen:
    """Return what is at a path, and of its insides what is asked for.

    A symbolic link to a directory counts as the directory; one in place of a file is no file.
    """
    seen = _look(path, content=content, sha256=sha256, children=children)
    real = os.path.realpath(path)
    return seen if real == path else replace(seen, real=real)


def _look(path: str, *, content: bool, sha256: bool, children: bool) -> Seen:
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode) and Path(path).is_dir():
            found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return Seen()
    attributes = Attributes(mode=stat.S_IMODE(found.st_mode), uid=found.st_uid, gid=found.st_gid)
    if stat.S_ISDIR(found.st_mode):
        names = frozenset(entry.name for entry in Path(path).iterdir()) if children else frozenset()
        return Seen(kind=Kind.DIRECTORY, attributes=attributes, children=names)
    if not stat.S_ISREG(found.st_mode):
        return Seen(kind=Kind.OTHER, attributes=attributes)
    text = Path(path).read_bytes() if content else None
    sha = digest(text) if text is not None else _sha256(path) if sha256 else None
    return Seen(kind=Kind.FILE, attributes=attributes, content=text, sha256=sha)


def _sha256(path: str) -> str:
    total = hashlib.sha256()
    with Path(path).open("rb") as file:
        while part := file.read(1 << 20):
            total.update(part)
    return total.hexdigest()


def write_atomically(path: str, content: bytes, attributes: Attributes) -> None:
    """Replace a file as a whole; a reader or a crash sees the old one or the new one.

    A file that is itself mounted, as containers have them in /etc, can't be replaced: it is written in place.
    """
    directory, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchown(handle, attributes.uid, attributes.gid)
            os.fchmod(handle, attributes.mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        try:
            Path(temporary).rename(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            Path(path).write_bytes(content)
            set_attributes(path, attributes)
    finally:
        Path(temporary).unlink(missing_ok=True)


def make_directory(path: str, attributes: Attributes) -> None:
    """Make a directory that has its attributes from the beginning, as far as others can tell."""
    Path(path).mkdir(0o700)
    set_attributes(path, attributes)


def set_attributes(path: str, attributes: Attributes) -> None:
    """Set owner, then mode: a change of owner clears the special bits."""
    os.chown(path, attributes.uid, attributes.gid)
    Path(path).chmod(attributes.mode)
