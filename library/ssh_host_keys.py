#!/usr/bin/python
"""Ansible module: the machines' host keys, recorded on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_host_keys
short_description: Record the machines' host keys, and refuse those that have changed
description:
  - Asks every machine for its host keys, writes those of machines that were never seen to the cluster's
    known_hosts, and returns their fingerprints, to be compared. One that has changed is an error.
extends_documentation_fragment: [cluster]
options:
  accepted:
    description: Machines whose changed keys are recorded in place of the old ones.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Record the machines' host keys
  ssh_host_keys:
    cluster: "{{ cluster }}"
"""

RETURN = r"""
new:
  description: Of each machine whose keys were recorded the fingerprints by kind.
  type: dict
  returned: always
"""

from pathlib import Path
from typing import Any

from miner_cluster.cluster import as_cluster
from miner_cluster.ssh.host_keys import fingerprint, plan, record, recorded, scan
from miner_cluster.ssh.keys import SshError

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "accepted": {"type": "list", "elements": "str", "default": []},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        SshError: with everything that is in the way; nothing was recorded then.
    """
    cluster = as_cluster(params["cluster"])
    if unknown := sorted(set(params["accepted"]) - set(cluster.nodes)):
        raise SshError(
            f"accept_host_key: no machine {', '.join(unknown)}; there are: {', '.join(cluster.nodes)}"
        )
    file = Path(cluster.state_dir) / "known_hosts"
    machines = {name: (node.ip, cluster.ssh.port) for name, node in cluster.nodes.items()}
    found = plan(recorded(file, machines), scan(machines), params["accepted"])
    if found.problems:
        raise SshError("Nothing was done. " + "\n".join(found.problems))
    if found.new and not check:
        record(file, machines, found.new)
    shown = {name: {kind: fingerprint(key) for kind, key in keys.items()} for name, keys in found.new.items()}
    return {"changed": bool(found.new), "new": shown}
