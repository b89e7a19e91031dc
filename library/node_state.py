#!/usr/bin/python
"""Ansible module: what one role wants of a machine, compared and brought about in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_state
short_description: Bring packages, kernel settings, directories, files and units of a role into a wanted state
description:
  - Reads everything first, plans the difference, and carries it out, unless in check mode.
  - Records what it makes in C(record), so that O(state=absent) removes exactly that. A file that is there
    already and not in the record is somebody else's. If it differs, nothing is changed; else it is used and
    never removed.
  - Needs a Debian or Ubuntu with systemd, and Python 3.10 or newer; packages, modules and units are looked at
    only where some are given.
options:
  name:
    description: The role; what it makes is recorded under this name.
    type: str
    required: true
  state:
    description:
      - V(present) brings the options about.
      - V(absent) removes what is recorded under C(name) and looks at no other option. Packages stay.
    type: str
    choices: [present, absent]
    default: present
  wipe:
    description: With O(state=absent), remove directories that were made with C(data) too, with all they hold.
    type: bool
    default: false
  record:
    description: The file that holds the record.
    type: path
    default: /var/lib/data-miner/owned.json
  inputs:
    description:
      - Digest of all that the other options follow from. It is recorded with them once they are met, so that
        a later look (M(node_check)) can tell that the machine needs nothing. Not a change of the machine.
    type: str
    default: ''
  packages:
    description: Debian packages to be installed, in whatever version.
    type: list
    elements: str
    default: []
  modules:
    description: Kernel modules to be loaded, now and at boot. One that is built in is loaded.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel parameters and their values, now and at boot.
    type: dict
    default: {}
  sysctls_at_least:
    description: Kernel parameters that must not be below a number; a machine that has more is left alone.
    type: dict
    default: {}
  directories:
    description: Directories. Missing ones on the way get mode 0755. One with FUSE mounted on it is let alone.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      mode: {description: Permission bits in octal., type: str, default: '0755'}
      owner: {description: User by name or number; unset is who runs the module., type: str}
      group: {description: Group by name or number; unset is that of who runs the module., type: str}
      data: {description: Whether an uninstall keeps it unless told to wipe., type: bool, default: false}
  files:
    description: Whole files, replaced atomically.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: The text; unset where O(secrets) has it., type: str}
      mode: {description: Permission bits in octal., type: str, default: '0644'}
      owner: {description: User by name or number; unset is who runs the module., type: str}
      group: {description: Group by name or number; unset is that of who runs the module., type: str}
  secrets:
    description:
      - The texts of those O(files) that are secret, by path; they are never shown.
      - They stand here, and not in the files, because Ansible logs nothing of an option that is secret as a
        whole. Of an inner one it looks for the text in the log and misses one of several lines.
    type: dict
    default: {}
  blocks:
    description: Lines between two comments (C(#)) of ours in files that others write too.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: The lines., type: str, required: true}
  absent:
    description: Files that this role wrote earlier and wants no more. Others at these paths stay.
    type: list
    elements: str
    default: []
  only_wanted_in:
    description: Directories in which what this role made earlier, and does not want any more, is removed.
    type: list
    elements: str
    default: []
  checksums:
    description:
      - Large files that the role delivers itself, each path with the wanted SHA-256 in hex. They are
        compared, and those that are missing are recorded as this role's.
    type: dict
    default: {}
  units:
    description: systemd units.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: With or without .service., type: str, required: true}
      enabled: {description: Whether it starts at boot; unset leaves that., type: bool}
      state: {description: Unset leaves it., type: str, choices: [started, stopped]}
      restart_on:
        description:
          - Files that it reads when it starts. A running unit is restarted when one is not what it was
            started with, also if an earlier run was interrupted before the restart.
          - While one of them is stale, the unit is not started.
        type: list
        elements: str
        default: []
      timeout_s: {description: Seconds within which it must come up., type: int, default: 300}
  disks:
    description: File systems that must have a size; else nothing is changed.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: 'A path on it, which need not exist yet.', type: path, required: true}
      at_least_mb: {description: Its whole size in MiB., type: int, required: true}
      reason: {description: Who asks for it and what to edit., type: str, required: true}
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Prepare the machine
  node_state:
    name: seaweedfs
    packages: [fuse3]
    directories:
      - {path: /data/seaweed/volume, mode: '0700', data: true}
    blocks:
      - {path: /etc/fuse.conf, content: user_allow_other}

- name: Undo it, but keep the data
  node_state:
    name: seaweedfs
    state: absent
"""

RETURN = r"""
changes:
  description:
    - What was done, one sentence each.
    - Under check mode what would be done, and also what the role would do next about stale files.
  type: list
  elements: str
  returned: always
stale:
  description: Paths of C(checksums) whose file is missing or differs.
  type: list
  elements: str
  returned: always
deferred:
  description: Units that are not started yet, because one of their files is stale.
  type: list
  elements: str
  returned: always
restarted:
  description: Units that were started or restarted.
  type: list
  elements: str
  returned: always
kept:
  description:
    - Of O(state=absent), the directories that stay, with the reason. With O(wipe) each is a warning too.
  type: dict
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.node_state.control import converge, uninstall
from ansible.module_utils.node_state.model import StateError
from ansible.module_utils.node_state.parse import parse

OWNER = {"owner": {"type": "str"}, "group": {"type": "str"}}
PATH = {"path": {"type": "path", "required": True}}


def _list(**suboptions: dict[str, Any]) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "default": [], "options": suboptions}


ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "wipe": {"type": "bool", "default": False},
    "record": {"type": "path", "default": "/var/lib/data-miner/owned.json"},
    "inputs": {"type": "str", "default": "", "no_log": True},  # a token's digest may be part of it
    "packages": {"type": "list", "elements": "str", "default": []},
    "modules": {"type": "list", "elements": "str", "default": []},
    "sysctls": {"type": "dict", "default": {}},
    "sysctls_at_least": {"type": "dict", "default": {}},
    "directories": _list(
        **PATH, mode={"type": "str", "default": "0755"}, **OWNER, data={"type": "bool", "default": False}
    ),
    "files": _list(
        **PATH,
        content={"type": "str"},
        mode={"type": "str", "default": "0644"},
        **OWNER,
    ),
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "blocks": _list(**PATH, content={"type": "str", "required": True}),
    "absent": {"type": "list", "elements": "str", "default": []},
    "only_wanted_in": {"type": "list", "elements": "str", "default": []},
    "checksums": {"type": "dict", "default": {}},
    "units": _list(
        name={"type": "str", "required": True},
        enabled={"type": "bool"},
        state={"type": "str", "choices": ["started", "stopped"]},
        restart_on={"type": "list", "elements": "str", "default": []},
        timeout_s={"type": "int", "default": 300},
    ),
    "disks": _list(
        **PATH,
        at_least_mb={"type": "int", "required": True},
        reason={"type": "str", "required": True},
    ),
}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options, record = module.params, Path(module.params["record"])
    try:
        if options["state"] == "absent":
            result = uninstall(options["name"], record, wipe=options["wipe"], check=module.check_mode)
        else:
            result = converge(parse(options), record, check=module.check_mode, inputs=options["inputs"])
    except StateError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or record}: {error.strerror}")
    for path, reason in result["kept"].items() if options["wipe"] else ():
        module.warn(f"{path} is not wiped: {reason}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
