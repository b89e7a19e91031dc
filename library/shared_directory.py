#!/usr/bin/python
"""Ansible module: a directory on the shared file system."""

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_directory
short_description: Have a directory on the shared file system that a user may write to
description:
  - Makes the directory, and what is missing above it, on the mounted shared file system, and gives it to a
    user. Refuses to make it on the machine's own disk when nothing is mounted.
options:
  mount:
    description: Where the shared file system is mounted.
    type: path
    required: true
  path:
    description: The directory, below the mount.
    type: path
    required: true
  owner:
    description: Number of the user and group that get it.
    type: int
    required: true
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Give the workers a place for what they find
  shared_directory:
    mount: /swdfs_mnt/swshared
    path: /swdfs_mnt/swshared/data_miner_output
    owner: 10001
"""

RETURN = r""" # """

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.shared_mount import bounded, is_mounted

TIMEOUT_S = 60.0


def owner_of(path: Path) -> int | None:
    """Return the number of a directory's owner; None where there is none."""
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None


def make(path: Path, owner: int) -> None:
    """Make the directory and give it away."""
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    os.chown(path, owner, owner)


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "mount": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "owner": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    path, owner, found = Path(module.params["path"]), module.params["owner"], []
    mounted = is_mounted(module.params["mount"])
    failure = "" if mounted or module.check_mode else "it is not mounted; run: ansible-playbook site.yml"
    if mounted:
        failure = bounded(TIMEOUT_S, lambda: found.append(owner_of(path)))
    present = found[0] if found else None
    changed = present != owner
    if changed and mounted and not failure and not module.check_mode:
        failure = bounded(TIMEOUT_S, make, path, owner)
    if failure:
        module.fail_json(msg=f"{path} can't be had on the shared storage: {failure}")
    before = f"owner {present}\n" if present is not None else ""
    diff = {
        "before": before,
        "after": f"owner {owner}\n",
        "before_header": str(path),
        "after_header": str(path),
    }
    module.exit_json(changed=changed, **({"diff": diff} if changed else {}))


if __name__ == "__main__":
    main()
