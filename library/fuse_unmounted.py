#!/usr/bin/python
"""Ansible module: no FUSE file system is mounted at a path."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fuse_unmounted
short_description: Unmount what FUSE has mounted at a path
description:
  - Also one whose process is dead, which still looks mounted. One that is in use is unmounted lazily, so that
    it is out of sight at once, and gone when the last open file is closed.
  - Another kind of file system at the path is left alone.
  - With O(owner), also SeaweedFS where it was mounted earlier, below any directory that M(node_state) has
    recorded for that name. Nothing else is unmounted there.
options:
  path:
    description: The mount point.
    type: path
    required: true
  owner:
    description: A name of M(node_state)'s record.
    type: str
  record:
    description: The record of M(node_state).
    type: path
    default: /var/lib/data-miner/owned.json
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Unmount the shared file system
  fuse_unmounted:
    path: /swdfs_mnt/swshared
    owner: seaweedfs
"""

RETURN = r"""
unmounted:
  description: Where file systems were mounted, a path several times where they lay one over another.
  type: list
  elements: str
  returned: always
"""

from collections.abc import Collection, Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.mounts import UnmountError, all_mounts, is_fuse, unmount
from ansible.module_utils.node_state.model import Owned, StateError
from ansible.module_utils.node_state.record import PATH, read


def to_unmount(mounted: Iterable[tuple[str, str]], path: str, directories: Collection[str]) -> list[str]:
    """Return the FUSE mounts at a path and SeaweedFS at or below directories, the latest one first."""
    found = [
        point
        for point, kind in mounted
        if (point == path and is_fuse(kind)) or (kind == "fuse.seaweedfs" and _is_in(point, directories))
    ]
    return found[::-1]


def _is_in(point: str, directories: Collection[str]) -> bool:
    return any(point == directory or point.startswith(f"{directory}/") for directory in directories)


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "record": {"type": "path", "default": PATH},
        },
        supports_check_mode=True,
    )
    found: list[str] = []
    try:
        owned = read(Path(module.params["record"])).get(module.params["owner"], Owned())
        directories = {owned.places.get(path, path) for path in owned.directories}
        found = to_unmount(all_mounts(), module.params["path"], directories)
        for point in found if not module.check_mode else ():
            unmount(point)
    except (StateError, UnmountError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(found), unmounted=found)


if __name__ == "__main__":
    main()
