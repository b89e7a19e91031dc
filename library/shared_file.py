#!/usr/bin/python
"""Ansible module: prove that the shared file system is one and the same on all machines."""

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_file
short_description: Look at the shared file system, and pass small files between machines through it
description:
  - Says whether the shared file system is mounted and answers, and how much of the data's disk is free.
    V(write) leaves a file of this machine there, V(read) reads those of all machines, V(clean) removes them.
    What was there before is as it was, so nothing counts as a change.
  - A mount that hangs makes the module fail, not hang.
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
    choices: [look, write, read, clean]
    default: look
  name:
    description: This machine, with C(action=write).
    type: str
    default: ""
  names:
    description: The machines whose files must be there, with C(action=read).
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
- name: Leave a file on the shared storage
  shared_file:
    mount: /swdfs_mnt/swshared
    data_dir: /data/seaweed
    action: write
    name: "{{ inventory_hostname }}"
    token: "4711"
"""

RETURN = r"""
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
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.files_size import files_bytes
from ansible.module_utils.shared_mount import STAT_TIMEOUT_S, SharedMountError, bounded, is_mounted

DIRECTORY = ".data-miner-verify"
POLL_S = 0.2
CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def write(root: Path, name: str, token: str) -> None:
    """Leave a file of this machine."""
    root.mkdir(exist_ok=True)
    with (root / name).open("w") as file:
        file.write(token)
        file.flush()
        os.fsync(file.fileno())


def read(root: Path, names: list[str], token: str, timeout_s: float) -> None:
    """Wait until the file of each machine is there and holds the token.

    Raises:
        SharedMountError: one is not in time.
    """
    deadline = time.monotonic() + timeout_s
    missing = list(names)
    while True:
        missing = [name for name in missing if _text(root / name) != token]
        if not missing:
            return
        if time.monotonic() > deadline:
            raise SharedMountError(
                f"the file of {', '.join(missing)} does not get here through {root.parent}"
            )
        time.sleep(POLL_S)


def clean(root: Path) -> None:
    """Remove all files."""
    if root.is_dir():
        for path in root.iterdir():
            path.unlink(missing_ok=True)
        root.rmdir()


def act(params: dict[str, Any]) -> None:
    """Do what is asked for.

    Raises:
        SharedMountError: files do not get through.
    """
    root = Path(params["mount"]) / DIRECTORY
    if params["action"] == "write":
        write(root, params["name"], params["token"])
    elif params["action"] == "read":
        read(root, params["names"], params["token"], params["timeout_s"] * 0.8)
    elif params["action"] == "clean":
        clean(root)


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


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "mount": {"type": "path", "required": True},
            "data_dir": {"type": "path", "required": True},
            "action": {"type": "str", "choices": ["look", "write", "read", "clean"], "default": "look"},
            "name": {"type": "str", "default": ""},
            "names": {"type": "list", "elements": "str", "default": []},
            "token": {"type": "str", "default": "", "no_log": False},
            "certificate_dirs": {"type": "list", "elements": "path", "default": []},
            "timeout_s": {"type": "int", "default": 45},
        },
        supports_check_mode=True,
    )
    mount, action = module.params["mount"], module.params["action"]
    mounted = is_mounted(mount)
    failure = ""
    if action != "look" and not module.check_mode:
        failure = bounded(module.params["timeout_s"], act, module.params) if mounted else "it is not mounted"
    result = {"changed": False, "mounted": mounted, **space(module.params["data_dir"])}
    result["certificates"] = certificates(module.params["certificate_dirs"])
    result["stored_bytes"] = files_bytes(f"{module.params['data_dir']}/volume")
    if mounted:
        result.update(shared_space(mount))
    if failure:
        module.fail_json(
            msg=f"The shared storage at {mount} does not work here: {failure}. See the mount's pod on this "
            "machine: kubectl get pods -A -o wide -l app.kubernetes.io/name=mount",
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
