#!/usr/bin/python
"""Ansible module: which machines the roles would leave as they are. Runs as the action plugin of its name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: machines_as_wanted
short_description: Tell the machines apart on which the roles have something to do
description:
  - Compares what preflight saw on the machines (M(node_check)) with what was recorded there when the roles
    were last through (M(node_state)). Changes nothing, and asks no machine.
extends_documentation_fragment: [cluster]
options:
  looks:
    description: Of each machine of this run the result of M(node_check), or of what failed in its place.
    type: dict
    required: true
  artifacts:
    description: The fact of that name, as M(artifacts) returns it.
    type: dict
    required: true
  code:
    description: Digest of the code, as it was when this run began; the variable of that name.
    type: str
    required: true
  variables:
    description: Of each machine those of its variables that the roles read (P(role_variables#filter)).
    type: dict
    required: true
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Find out which machines are as wanted
  machines_as_wanted:
    cluster: "{{ cluster }}"
    looks: "{{ looks }}"
    artifacts: "{{ artifacts }}"
    code: "{{ code_digest }}"
    variables: "{{ hostvars | role_variables(groups.all) }}"
  register: as_wanted
"""

RETURN = r"""
as_wanted:
  description: Names of the machines on which every role would find nothing to change.
  type: list
  elements: str
  returned: always
differs:
  description: Of each other machine the reason.
  type: dict
  returned: always
inputs:
  description: Of each machine the digest of all that the roles' options follow from, for them to record.
  type: dict
  returned: always
"""

from typing import Any

from miner_cluster.as_wanted import differs, inputs
from miner_cluster.cluster import as_cluster

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "looks": {"type": "dict", "required": True},
    "artifacts": {"type": "dict", "required": True},
    "code": {"type": "str", "required": True},
    "variables": {"type": "dict", "required": True},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - the same in both modes
    """Return what the module returns."""
    cluster, artifacts = as_cluster(params["cluster"]), params["artifacts"]
    looks = {name: look for name, look in params["looks"].items() if "facts" in look}
    wanted = {
        name: inputs(
            cluster,
            name,
            look=look,
            artifacts=artifacts,
            sources=params["code"],
            variables=params["variables"].get(name, {}),
        )
        for name, look in looks.items()
    }
    k3s_path = artifacts["k3s"]["path"]
    found = {name: differs(cluster, name, wanted[name], looks, k3s_path=k3s_path) for name in looks}
    return {
        "changed": False,
        "as_wanted": [name for name, reason in found.items() if not reason],
        "differs": {name: reason for name, reason in found.items() if reason},
        "inputs": wanted,
    }
