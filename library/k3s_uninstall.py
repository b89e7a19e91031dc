#!/usr/bin/python
"""Ansible module: nothing of a k3s that was installed here runs, is mounted, or fills directories."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_uninstall
short_description: Stop k3s and remove everything that it made while it ran
description:
  - Stops the unit, kills containers, unmounts what k3s and its kubelet mounted, removes their network
    interfaces, routes, firewall rules and IP sets, and empties their directories. Never follows a mount into
    another file system.
  - Does nothing on a machine where M(node_state) has not recorded k3s; another k3s is left alone.
  - Refuses while SeaweedFS is still mounted.
  - The files that M(node_state) wrote are left to its C(state=absent), which must come afterwards.
options:
  state:
    description: With V(stopped) only the units are stopped, so that nothing mounts SeaweedFS any more.
    type: str
    choices: [absent, stopped]
    default: absent
  unmounted_before:
    description: Whether this run has unmounted SeaweedFS by now; under check mode it would have.
    type: bool
    default: false
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
- name: Stop k3s and remove what it made
  k3s_uninstall:

- name: Stop k3s, so that it does not start again what mounts SeaweedFS
  k3s_uninstall:
    state: stopped
"""

RETURN = r"""
changes:
  description: What was done, or would be under check mode, one sentence each.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.k3s_removal import remove_k3s, stop_k3s
from ansible.module_utils.mounts import UnmountError
from ansible.module_utils.node_state.model import StateError
from ansible.module_utils.node_state.record import PATH, read


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["absent", "stopped"], "default": "absent"},
            "unmounted_before": {"type": "bool", "default": False},
            "record": {"type": "path", "default": PATH},
        },
        supports_check_mode=True,
    )
    options, check = module.params, module.check_mode
    changes: list[str] = []
    try:
        if "k3s" in read(Path(options["record"])):
            pretended = check and options["unmounted_before"]
            stops = options["state"] == "stopped"
            changes = stop_k3s(check=check) if stops else remove_k3s(check=check, mounts_gone=pretended)
    except (StateError, UnmountError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror or error}")
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
