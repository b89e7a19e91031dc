#!/usr/bin/python
"""Ansible module: a key opens every machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_logins
short_description: Log in to every machine with one key and nothing else
description:
  - Fails with the names of the machines that do not let it in. Changes nothing.
extends_documentation_fragment: [cluster]
options:
  key:
    description: The private key.
    type: path
    required: true
  machines:
    description: Names of the machines.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
    description: Does nothing, as the key may not be installed.
author: [data-miner]
"""

EXAMPLES = r"""
- name: Log in with the key alone
  ssh_logins:
    cluster: "{{ cluster }}"
    key: "{{ cluster.ssh.key }}"
    machines: "{{ groups.server + groups.agent }}"
"""

RETURN = r"""
"""

from typing import Any

from miner_cluster.cluster import as_cluster
from miner_cluster.ssh.keys import SshError
from miner_cluster.ssh.login import refusals

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
    "machines": {"type": "list", "elements": "str", "required": True},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        SshError: a machine does not let the key in.
    """
    refused = {} if check else refusals(as_cluster(params["cluster"]), params["machines"], params["key"])
    if refused:
        said = "; ".join(f"{name}: {text}" for name, text in refused.items())
        raise SshError(
            f"{params['key']} does not open every machine, so no other key was removed. {said}. Look at the "
            "SSH server there: PubkeyAuthentication, AuthorizedKeysFile, and who owns ~/.ssh"
        )
    return {"changed": False}
