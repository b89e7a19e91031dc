"""From the module's options to the wanted state."""

from __future__ import annotations

import grp
import os
import posixpath
import pwd
from collections.abc import Mapping
from typing import Any

from .model import (
    Attributes,
    StateError,
    Wanted,
    WantedBlock,
    WantedDirectory,
    WantedDisk,
    WantedFile,
    WantedUnit,
)
from .systemd import full_name

Options = Mapping[str, Any]
PERMISSION_BITS = 0o7777


def parse(options: Options) -> Wanted:
    """Return the wanted state.

    Raises:
        StateError: an option can't be used: a relative path, a mode that is none, an unknown user or group.
    """
    return Wanted(
        name=options["name"],
        packages=tuple(options["packages"]),
        modules=tuple(options["modules"]),
        directories=tuple(_directory(item) for item in options["directories"]),
        files=tuple(_file(item, options["secrets"]) for item in options["files"]),
        blocks=tuple(WantedBlock(path=_path(i), content=i["content"]) for i in options["blocks"]),
        absent=tuple(_path({"path": path}) for path in options["absent"]),
        only_wanted_in=tuple(_path({"path": path}) for path in options["only_wanted_in"]),
        sysctls={key: str(value) for key, value in options["sysctls"].items()},
        sysctls_at_least={key: int(value) for key, value in options["sysctls_at_least"].items()},
        checksums={_path({"path": path}): sha256 for path, sha256 in options["checksums"].items()},
        units=tuple(_unit(item) for item in options["units"]),
        disks=tuple(
            WantedDisk(path=_path(i), at_least_mb=i["at_least_mb"], reason=i["reason"])
            for i in options["disks"]
        ),
        parent_attributes=Attributes(mode=0o755, uid=os.geteuid(), gid=os.getegid()),
    )


def _directory(item: Options) -> WantedDirectory:
    return WantedDirectory(path=_path(item), attributes=_attributes(item), data=item["data"])


def _file(item: Options, secrets: Mapping[str, str]) -> WantedFile:
    path, secret = _path(item), item["path"] in secrets
    if secret == (item["content"] is not None):
        raise StateError(f"{path} must have its content in either files or secrets")
    content = secrets[path] if secret else item["content"]
    return WantedFile(path=path, content=content.encode(), attributes=_attributes(item), secret=secret)


def _unit(item: Options) -> WantedUnit:
    return WantedUnit(
        name=full_name(item["name"]),
        enabled=item["enabled"],
        running=None if item["state"] is None else item["state"] == "started",
        restart_on=tuple(item["restart_on"]),
        timeout_s=item["timeout_s"],
    )


def _path(item: Options) -> str:
    path: str = item["path"]
    if not path.startswith("/") or posixpath.normpath(path) != path or path == "/":
        raise StateError(f"{path!r} is no absolute path in its shortest form")
    return path


def _attributes(item: Options) -> Attributes:
    try:
        mode = int(item["mode"], 8)
    except ValueError as error:
        raise StateError(f"{item['path']}: mode {item['mode']!r} is not octal, as in '0644'") from error
    if not 0 <= mode <= PERMISSION_BITS:
        raise StateError(f"{item['path']}: mode {item['mode']!r} is not octal, as in '0644'")
    return Attributes(mode=mode, uid=_uid(item), gid=_gid(item))


def _uid(item: Options) -> int:
    if item["owner"] is None:
        return os.geteuid()
    if item["owner"].isdigit():
        return int(item["owner"])
    try:
        return pwd.getpwnam(item["owner"]).pw_uid
    except KeyError as error:
        raise StateError(f"{item['path']}: there is no user {item['owner']} on this machine") from error


def _gid(item: Options) -> int:
    if item["group"] is None:
        return os.getegid()
    if item["group"].isdigit():
        return int(item["group"])
    try:
        return grp.getgrnam(item["group"]).gr_gid
    except KeyError as error:
        raise StateError(f"{item['path']}: there is no group {item['group']} on this machine") from error
