#!/usr/bin/python
"""Ansible module: the k3s program that ran before an upgrade."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_previous
short_description: Keep the k3s program that runs, and put it back
description:
  - With O(state=kept), copies the program beside k3s' data, unless it is the next one already; then an
    earlier run was interrupted, and what it kept stays.
  - With O(state=restored), puts that copy in place of the next one and restarts k3s with it. Where the
    machine does not have the next one, nothing is done.
options:
  state:
    description: See above.
    type: str
    choices: [kept, restored]
    required: true
  unit:
    description: The unit that runs k3s.
    type: str
    choices: [k3s, k3s-agent]
    required: true
  next_sha256:
    description: Digest in hex of the program that takes its place.
    type: str
    required: true
  start_timeout_s:
    description: Seconds within which k3s must be up again.
    type: int
    default: 300
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Put the program back that ran before
  k3s_previous:
    state: restored
    unit: k3s-agent
    next_sha256: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
"""

RETURN = r"""
"""

import hashlib
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.node_state import systemd
from ansible.module_utils.node_state.model import StateError

K3S = Path("/usr/local/bin/k3s")
#: in a directory that goes with k3s
KEPT = Path("/var/lib/rancher/k3s/previous/k3s")
_CHUNK = 1 << 20


def sha256(path: Path) -> str:
    """Return a file's digest in hex; empty where there is none."""
    if not path.exists():
        return ""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def must_keep(running: str, kept: str, following: str) -> bool:
    """Return whether the program is to be copied, by the digests."""
    return bool(running) and running not in {following, kept}


def must_restore(running: str, kept: str, following: str) -> bool:
    """Return whether the copy is to be put back, by the digests.

    Raises:
        StateError: there is none.
    """
    if running != following:
        return False
    if kept in {"", following}:
        raise StateError(f"there is no other program in {KEPT} to put back")
    return True


def put(source: Path, target: Path) -> None:
    """Copy a program so that the target is never half of it, also while it runs."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.chmod(0o755)
    partial.replace(target)


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["kept", "restored"], "required": True},
            "unit": {"type": "str", "choices": ["k3s", "k3s-agent"], "required": True},
            "next_sha256": {"type": "str", "required": True},
            "start_timeout_s": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    digests = sha256(K3S), sha256(KEPT), module.params["next_sha256"]
    try:
        if module.params["state"] == "kept":
            changed = must_keep(*digests)
            if changed and not module.check_mode:
                put(K3S, KEPT)
        else:
            changed = must_restore(*digests)
            if changed and not module.check_mode:
                put(KEPT, K3S)
                unit = systemd.full_name(module.params["unit"])
                systemd.start(unit, restart=True, timeout_s=module.params["start_timeout_s"])
    except StateError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
