"""The texts of files that node_state makes itself: sysctl.d, modules-load.d, and blocks in others' files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HEADER = "# Written by data-miner (ansible-playbook site.yml); changes made here are undone."


def sysctl_path(name: str) -> str:
    """Path of the kernel parameters of a role, read at boot."""
    return f"/etc/sysctl.d/90-data-miner-{name}.conf"


def modules_path(name: str) -> str:
    """Path of the kernel modules of a role, read at boot."""
    return f"/etc/modules-load.d/data-miner-{name}.conf"


def sysctl_file(values: Mapping[str, str]) -> bytes:
    """Return the text of a sysctl.d file."""
    return "\n".join([HEADER, *(f"{key} = {value}" for key, value in sorted(values.items())), ""]).encode()


def sysctl_keys(content: bytes | None) -> set[str]:
    """Return the keys that a sysctl.d file sets."""
    lines = (content or b"").decode(errors="replace").splitlines()
    return {line.split("=")[0].strip() for line in lines if "=" in line and not line.startswith("#")}


def modules_file(names: Iterable[str]) -> bytes:
    """Return the text of a modules-load.d file."""
    return "\n".join([HEADER, *sorted(names), ""]).encode()


def with_block(file: bytes, name: str, content: str) -> bytes:
    """Return a file's content with the block of a role in it, at its place or at the end."""
    text = _decode(file)
    begin, end = _markers(name)
    block = f"{begin}\n{content.rstrip()}\n{end}\n"
    before, found, after = _split(text, name)
    if found:
        return _encode(before + block + after)
    return _encode(text + ("\n" if text and not text.endswith("\n") else "") + block)


def without_block(file: bytes, name: str) -> bytes:
    """Return a file's content without the block of a role."""
    before, _, after = _split(_decode(file), name)
    return _encode(before + after)


def _decode(file: bytes) -> str:
    """Read what others may have written in another encoding, so that writing it gives the same bytes."""
    return file.decode(errors="surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _markers(name: str) -> tuple[str, str]:
    return f"# BEGIN data-miner {name}", f"# END data-miner {name}"


def _split(text: str, name: str) -> tuple[str, bool, str]:
    """Return what is before the block, whether there is one, and what is after it.

    A block whose end somebody removed is its first line only.
    """
    begin, end = _markers(name)
    lines = text.splitlines(keepends=True)
    plain = [line.rstrip("\n") for line in lines]
    if begin not in plain:
        return text, False, ""
    first = plain.index(begin)
    last = plain.index(end, first) if end in plain[first:] else first
    return "".join(lines[:first]), True, "".join(lines[last + 1 :])
