#!/usr/bin/python
"""Ansible module: new certificates for the k3s of a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_certificates
short_description: Have k3s make new certificates for a machine
description:
  - Stops k3s, has it rotate its certificates, and starts it again, which makes the new ones. Authorities
    stay, and what they have signed before is still good. Pods go on running.
  - Started again also where the rotation fails. Fails where a certificate is the same afterwards.
extends_documentation_fragment: [k3s_unit]
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Make new certificates
  k3s_certificates:
    unit: k3s-agent
"""

RETURN = r"""
renewed:
  description: Paths of the certificates that are new, or would be under check mode.
  type: list
  elements: str
  returned: always
"""

import hashlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.k3s_unit import ARGUMENTS, K3S, start, stop
from ansible.module_utils.node_state.model import StateError
from ansible.module_utils.node_state.run import last_lines, run

DATA = Path("/var/lib/rancher/k3s")


def certificates(data: Path) -> dict[str, str]:
    """Return a hash of each certificate of a machine by its path; authorities are left out."""
    directories = (data / name for name in ("server/tls", "server/tls/etcd", "agent"))
    paths = [path for directory in directories for path in sorted(directory.glob("*.crt"))]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if not path.name.endswith("-ca.crt")
    }


def renewed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the certificates that are new.

    Raises:
        StateError: one is the same as before.
    """
    same = sorted(path for path, digest in before.items() if after.get(path) == digest)
    if same:
        raise StateError(
            f"k3s was started again and left {', '.join(same)} as it was; see: journalctl -u 'k3s*'"
        )
    return sorted(after)


def rotate(unit: str, start_timeout_s: float) -> list[str]:
    """Stop k3s, rotate, start it, and return what is new.

    Raises:
        StateError: k3s refuses, does not start, or made no new ones.
    """
    before = certificates(DATA)
    try:
        stop(unit)
        done = run(str(K3S), "certificate", "rotate")
    finally:
        start(unit, start_timeout_s, restart=False)
    if done.returncode:
        raise StateError(f"`k3s certificate rotate` fails:\n{last_lines(done.stderr or done.stdout, 5)}")
    return renewed(before, certificates(DATA))


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=True, renewed=sorted(certificates(DATA)))
    try:
        module.exit_json(changed=True, renewed=rotate(**module.params))
    except StateError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
