"""What ``weed shell`` writes with fs.meta.save: the filer's names, and where the pieces of each file lie.

The file is a row of records, each a length in four bytes and a message FullEntry of SeaweedFS's filer.proto:
a directory (1) and an Entry (2) with a name (1), whether it is a directory (2), chunks (3), each with a file
id (1) that begins with the number of a volume, and the id of a hard link (7). Only these fields are read;
records are loaded as they are.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.backup.errors import BackupError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DIRECTORY, _ENTRY = 1, 2
_NAME, _IS_DIRECTORY, _CHUNKS, _HARD_LINK = 1, 2, 3, 7
_FILE_ID = 1
#: more bits than any field of these messages has
_MOST_BITS = 70


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file or directory: its path and, of a file, the ids of its pieces in their order.

    Names of a hard link share their pieces, and the filer counts them; no other names may.
    """

    path: str
    is_directory: bool
    chunks: tuple[str, ...]
    linked: bool = False

    @property
    def volumes(self) -> set[int]:
        """Numbers of the volumes in which the pieces lie."""
        return {int(chunk.partition(",")[0]) for chunk in self.chunks}


def read(path: Path) -> list[Entry]:
    """Return the entries of a saved file.

    Raises:
        BackupError: it ends too early, or is none.
        OSError: it can't be read.
    """
    try:
        return list(entries(path.read_bytes()))
    except ValueError as error:
        raise BackupError(f"{path} is no metadata of a filer, or not all of it: {error}") from error


def entries(data: bytes) -> Iterator[Entry]:
    """Yield the entries of what was saved.

    Raises:
        ValueError: it ends too early, or is something else.
    """
    yield from (_full_entry(message) for message in _messages(data))


def without(data: bytes, paths: Container[str]) -> bytes:
    """Return what was saved without the records of some paths.

    Raises:
        ValueError: it ends too early, or is something else.
    """
    kept = [message for message in _messages(data) if _full_entry(message).path not in paths]
    return b"".join(len(message).to_bytes(4) + message for message in kept)


def _messages(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        size = int.from_bytes(_slice(data, position, 4))
        yield _slice(data, position + 4, size)
        position += 4 + size


def _full_entry(message: bytes) -> Entry:
    directory, entry = "", b""
    for number, value in _fields(message):
        if number == _DIRECTORY and isinstance(value, bytes):
            directory = value.decode("utf-8", "surrogateescape")
        elif number == _ENTRY and isinstance(value, bytes):
            entry = value
    name, is_directory, chunks, linked = "", False, [], False
    for number, value in _fields(entry):
        if number == _NAME and isinstance(value, bytes):
            name = value.decode("utf-8", "surrogateescape")
        elif number == _IS_DIRECTORY:
            is_directory = bool(value)
        elif number == _CHUNKS and isinstance(value, bytes):
            chunks.append(_file_id(value))
        elif number == _HARD_LINK:
            linked = bool(value)
    path = f"{directory.rstrip('/')}/{name}"
    return Entry(path=path, is_directory=is_directory, chunks=tuple(chunks), linked=linked)


def _file_id(chunk: bytes) -> str:
    for number, value in _fields(chunk):
        if number == _FILE_ID and isinstance(value, bytes):
            text = value.decode()
            if not text.partition(",")[0].isdigit():
                raise ValueError(f"a piece has the id {text!r}, which names no volume")
            return text
    raise ValueError("a piece of a file has no id")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a message in protobuf's wire format."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            yield number, _slice(message, position, size)
            position += size
        elif kind == _BYTES:
            size, position = _varint(message, position)
            yield number, _slice(message, position, size)
            position += size
        else:
            raise ValueError(f"a field has the unknown kind {kind}")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = _slice(message, position, 1)[0]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says whether more follows
            return value, position
        shift += 7
        if shift > _MOST_BITS:
            raise ValueError("a number is too long")


def _slice(data: bytes, position: int, size: int) -> bytes:
    part = data[position : position + size]
    if len(part) < size:
        raise ValueError(f"it ends {size - len(part)} bytes too early")
    return part
