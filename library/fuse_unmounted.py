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
options:
  path:
    description: The mount point.
    type: path
    required: true
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Unmount the shared file system
  fuse_unmounted:
    path: /swdfs_mnt/swshared
"""

RETURN = r"""
unmounted:
  description: How many file systems were mounted there, one over another.
  type: int
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.mounts import UnmountError, fuse_mounts_at, unmount


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True
    )
    path = module.params["path"]
    count = fuse_mounts_at(path)
    try:
        if not module.check_mode:
            for _ in range(count):
                unmount(path)
    except UnmountError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(count), unmounted=count)


if __name__ == "__main__":
    main()
