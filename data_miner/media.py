"""Telling what a file is from its first bytes, so that equal content always gets the same name."""

from __future__ import annotations

from pathlib import Path

from data_miner.errors import PermanentError

_HEAD_BYTES = 512
#: MPEG transport streams repeat this byte every 188 bytes
_TS_SYNC, _TS_PACKET = 0x47, 188


def video_extension(file: Path) -> str:
    """Return the file name extension for a video's content.

    Raises:
        PermanentError: the file is empty, a web page, or no video container that we know.
    """
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        raise PermanentError("the file is empty (0 bytes)")
    if extension := _container(head):
        return extension
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<body")):
        raise PermanentError("the site sent a web page instead of a video")
    raise PermanentError(f"not a known video container (starts with {head[:8].hex(' ')})")


def _container(head: bytes) -> str | None:
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"}:
        return "mov" if head[8:12] == b"qt  " else "mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm" if b"webm" in head[:64] else "mkv"
    starts = {
        b"FLV": "flv",
        b"OggS": "ogv",
        b"\x30\x26\xb2\x75": "wmv",
        b"\x00\x00\x01\xba": "mpg",
        b"\x00\x00\x01\xb3": "mpg",
    }
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head[0] == _TS_SYNC and head[_TS_PACKET : _TS_PACKET + 1] == b"\x47":
        return "ts"
    return next((name for start, name in starts.items() if head.startswith(start)), None)
