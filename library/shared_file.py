#!/usr/bin/python
"""Ansible module: prove that the shared file system is one and the same on all machines."""

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_file
short_description: Look at the shared file system, and pass small files between machines through it
description:
  - Says whether the shared file system is mounted and answers, and how much of the data's disk is free.
    V(exchange) leaves a file of this machine there, reads those of all machines, and removes its own when all
    have read it. What was there before is as it was, so nothing counts as a change.
  - A mount that hangs does not make the module hang. What is wrong is returned and fails nothing, as Ansible
    would leave a machine that fails out of what follows.
options:
  mount:
    description: Where the shared file system is mounted.
    type: path
    required: true
  data_dir:
    description: A path on the data's disk.
    type: path
    required: true
  action:
    description: What to do.
    type: str
    choices: [look, exchange]
    default: look
  name:
    description: This machine, with C(action=exchange).
    type: str
    default: ""
  names:
    description: The machines that exchange files, this one among them; they have to do so at the same time.
    type: list
    elements: str
    default: []
  token:
    description: What tells this run's files from those of an earlier one.
    type: str
    default: ""
  certificate_dirs:
    description: Directories whose certificates are read too.
    type: list
    elements: path
    default: []
  timeout_s:
    description: Seconds within which it must be done.
    type: int
    default: 45
attributes:
  check_mode:
    support: full
    description: Looks only.
author: [data-miner]
"""

EXAMPLES = r"""
- name: Pass files between all machines
  shared_file:
    mount: /swdfs_mnt/swshared
    data_dir: /data/seaweed
    action: exchange
    name: "{{ inventory_hostname }}"
    names: "{{ ansible_play_hosts }}"
    token: "4711"
"""

RETURN = r"""
problem:
  description: Why files do not get through, and what to do about it; empty where they do.
  type: str
  returned: always
mounted:
  description: Whether the shared file system is mounted and answers.
  type: bool
  returned: always
shared_free_bytes:
  description: Free space of the shared file system.
  type: int
  returned: when it is mounted
shared_total_bytes:
  description: Size of the shared file system.
  type: int
  returned: when it is mounted
stored_bytes:
  description: What SeaweedFS keeps on this machine.
  type: int
  returned: always
certificates:
  description: Of each certificate in O(certificate_dirs) by its path the text; of a chain its first.
  type: dict
  returned: always
free_bytes:
  description: Free space of the data's disk.
  type: int
  returned: always
total_bytes:
  description: Size of the data's disk.
  type: int
  returned: always
"""

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.files_size import files_bytes
from ansible.module_utils.shared_mount import STAT_TIMEOUT_S, SharedMountError, bounded, is_mounted

ARGUMENTS: dict[str, Any] = {
    "mount": {"type": "path", "required": True},
    "data_dir": {"type": "path", "required": True},
    "action": {"type": "str", "choices": ["look", "exchange"], "default": "look"},
    "name": {"type": "str", "default": ""},
    "names": {"type": "list", "elements": "str", "default": []},
    "token": {"type": "str", "default": "", "no_log": False},
    "certificate_dirs": {"type": "list", "elements": "path", "default": []},
    "timeout_s": {"type": "int", "default": 45},
}
#: of the files that machines exchange
PREFIX = ".data-miner-verify-"
#: added to a machine's name: it has read the files of all
SEEN = ".seen"
POLL_S = 0.05
CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def exchange(root: Path, name: str, names: list[str], token: str, timeout_s: float) -> None:
    """Leave a file of this machine, read that of each machine, and remove ours when all have read it.

    A machine that has read all files says so by a second one. It removes both when all have said so; one
    whose file is gone again has read ours before. Files are asked for once they are listed, as the kernel
    remembers for a second that a name was not there.

    Raises:
        SharedMountError: the file of a machine does not get here in time, or ours not there.
        OSError: nothing can be written in time.
    """
    own, seen = root / f"{PREFIX}{name}", root / f"{PREFIX}{name}{SEEN}"
    deadline = time.monotonic() + timeout_s
    try:
        _write(own, token, deadline)
        _until(
            lambda: _missing(root, names, "", token),
            deadline,
            f"the file of {{}} does not get here through {root}",
        )
        _write(seen, token, deadline)
        _until(
            lambda: [
                one
                for one in _missing(root, names, SEEN, token)
                if (root / f"{PREFIX}{one}") in root.iterdir()
            ],
            deadline,
            f"the file of this machine does not get to {{}} through {root}",
        )
    finally:
        for path in (own, seen):
            path.unlink(missing_ok=True)


def _missing(root: Path, names: list[str], ending: str, token: str) -> list[str]:
    """Return the machines whose file is not there or holds something else."""
    there = {path.name for path in root.iterdir()}
    paths = {one: root / f"{PREFIX}{one}{ending}" for one in names}
    return [one for one, path in paths.items() if path.name not in there or _text(path) != token]


def _write(path: Path, token: str, deadline: float) -> None:
    """Write a file; just after a machine was lost, SeaweedFS refuses what would have a copy there."""
    while True:
        try:
            with path.open("w") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def _until(missing: Callable[[], list[str]], deadline: float, failure: str) -> None:
    while names := missing():
        if time.monotonic() > deadline:
            raise SharedMountError(failure.format(", ".join(names)))
        time.sleep(POLL_S)


def space(path: str) -> dict[str, int]:
    """Return size and free space of a path's disk."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    size = os.statvfs(place)
    return {"free_bytes": size.f_bavail * size.f_frsize, "total_bytes": size.f_blocks * size.f_frsize}


def shared_space(mount: str) -> dict[str, int]:
    """Return size and free space of the shared file system; nothing where it does not answer."""
    found: dict[str, int] = {}
    failure = bounded(STAT_TIMEOUT_S, lambda: found.update(space(mount)))
    return {} if failure else {f"shared_{name}": value for name, value in found.items()}


def certificates(directories: list[str]) -> dict[str, str]:
    """Return the first certificate of each file in the directories that has one; they are no secret."""
    paths = [path for directory in directories for path in sorted(Path(directory).glob("*.crt"))]
    found = {str(path): CERTIFICATE.search(_text(path)) for path in paths}
    return {path: match[0] for path, match in found.items() if match}


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns."""
    mount, mounted = params["mount"], is_mounted(params["mount"])
    failure, limit_s = "", params["timeout_s"]
    if params["action"] == "exchange" and not check:
        asked = [params[key] for key in ("name", "names", "token")]
        failure = "it is not mounted"
        if mounted:
            failure = bounded(limit_s, exchange, Path(mount), *asked, limit_s * 0.8)
    result = {"changed": False, "mounted": mounted, **space(params["data_dir"])}
    result["certificates"] = certificates(params["certificate_dirs"])
    result["stored_bytes"] = files_bytes(f"{params['data_dir']}/volume")
    if mounted:
        result.update(shared_space(mount))
    result["problem"] = (
        f"the shared storage at {mount} does not work there: {failure}. See the mount's pod on that machine: "
        "kubectl get pods -A -o wide -l app.kubernetes.io/name=mount"
        if failure
        else ""
    )
    return result
