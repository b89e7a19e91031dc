"""The steps of a plan as data, and how each is told and shown."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from .model import Attributes


@dataclass(frozen=True, kw_only=True)
class InstallPackages:
    """Install what is missing."""

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LoadModule:
    """Load a kernel module."""

    name: str


@dataclass(frozen=True, kw_only=True)
class SetSysctl:
    """Set a kernel parameter now; ``before`` None says that the kernel does not have it yet."""

    key: str
    before: str | None
    value: str


@dataclass(frozen=True, kw_only=True)
class MakeDirectory:
    """Make a directory, its parent being there."""

    path: str
    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class SetAttributes:
    """Set mode and owner."""

    path: str
    before: Attributes
    after: Attributes


@dataclass(frozen=True, kw_only=True)
class WriteFile:
    """Replace a file's content and attributes, or make it; a ``secret`` one is not shown."""

    path: str
    before: bytes | None
    content: bytes
    attributes: Attributes
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class RemoveFile:
    """Remove a file that was written here."""

    path: str


@dataclass(frozen=True, kw_only=True)
class RemoveDirectory:
    """Remove a directory that was made here and is empty by then."""

    path: str


@dataclass(frozen=True, kw_only=True)
class WipeDirectory:
    """Remove a directory with all that it holds, never across a mount."""

    path: str


@dataclass(frozen=True, kw_only=True)
class ReloadSystemd:
    """Have systemd read its unit files again."""


@dataclass(frozen=True, kw_only=True)
class EnableUnit:
    """Have a unit start at boot, or not."""

    name: str
    enabled: bool


@dataclass(frozen=True, kw_only=True)
class StartUnit:
    """Start a unit, or restart it; ``started_with`` is what the record keeps afterwards."""

    name: str
    restart: bool
    timeout_s: int
    started_with: str


@dataclass(frozen=True, kw_only=True)
class StopUnit:
    """Stop a unit."""

    name: str


PathStep = MakeDirectory | SetAttributes | WriteFile | RemoveFile | RemoveDirectory | WipeDirectory
Step = PathStep | InstallPackages | LoadModule | SetSysctl | ReloadSystemd | EnableUnit | StartUnit | StopUnit


def sentence(step: Step) -> str:  # noqa: PLR0911, PLR0912 - one case for each kind of step
    """Tell what a step does, in the imperative."""
    match step:
        case InstallPackages(names=names):
            return f"install {', '.join(names)}"
        case LoadModule(name=name):
            return f"load the kernel module {name}"
        case SetSysctl(key=key, value=value):
            return f"set {key} to {value}"
        case MakeDirectory(path=path, attributes=attributes):
            return f"make the directory {path} ({attributes.text()})"
        case SetAttributes(path=path, after=after):
            return f"set {path} to {after.text()}"
        case WriteFile(path=path, before=before):
            return f"{'write' if before is None else 'change'} {path}"
        case RemoveFile(path=path):
            return f"remove {path}"
        case RemoveDirectory(path=path):
            return f"remove the directory {path}"
        case WipeDirectory(path=path):
            return f"wipe {path}"
        case ReloadSystemd():
            return "reload systemd's unit files"
        case EnableUnit(name=name, enabled=enabled):
            return f"{'enable' if enabled else 'disable'} {name}"
        case StartUnit(name=name, restart=restart):
            return f"{'restart' if restart else 'start'} {name}"
        case StopUnit(name=name):
            return f"stop {name}"


def difference(step: Step) -> dict[str, str]:
    """Return what Ansible shows of a step with --diff."""
    before, after = _texts(step)
    subject = getattr(step, "path", None) or getattr(step, "name", None) or "node"
    return {"before_header": subject, "after_header": subject, "before": before, "after": after}


def note(line: str) -> dict[str, str]:
    """Return what Ansible shows with --diff of something that is told in one line."""
    return {"before_header": "node", "after_header": "node", "before": "", "after": f"{line}\n"}


def _texts(step: Step) -> tuple[str, str]:  # noqa: PLR0911 - one case for each kind of step
    match step:
        case SetSysctl(key=key, before=old, value=value):
            return "" if old is None else f"{key} = {old}\n", f"{key} = {value}\n"
        case SetAttributes(before=earlier, after=later):
            return f"{earlier.text()}\n", f"{later.text()}\n"
        case WriteFile(before=None, secret=True):
            return "", "(a secret)\n"
        case WriteFile(secret=True):
            return "(an earlier secret)\n", "(a secret)\n"
        case WriteFile(before=content, content=new):
            return _readable(content or b""), _readable(new)
        case RemoveFile(path=path):
            return f"{path}\n", ""
        case RemoveDirectory(path=path) | WipeDirectory(path=path):
            return f"{posixpath.join(path, '')}\n", ""
        case _:
            return "", f"{sentence(step)}\n"


def _readable(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"({len(content)} bytes that are no text)\n"
