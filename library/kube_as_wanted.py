#!/usr/bin/python
"""Ansible module: whether objects, Secrets and mounts are as wanted. Runs as the action of its name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_as_wanted
short_description: Tell whether applying would change nothing at all
description:
  - Compares in one go what M(kube_diff), M(kube_secret) and M(kube_mounts) would look at one after another,
    so that a run with nothing to do is spared their tasks. Changes nothing.
  - Where it can't tell, as the API refuses something, the tasks that follow say so.
options:
  kubeconfig:
    description: Path of the kubeconfig.
    type: path
    required: true
  objects:
    description: The wanted objects.
    type: list
    elements: dict
    required: true
  phases:
    description: Phases whose objects are all among O(objects); others of these phases are left over.
    type: list
    elements: str
    required: true
  namespaces:
    description: Namespaces of ours, in which leftovers are looked for.
    type: list
    elements: str
    required: true
  instance:
    description: Name of the cluster, a label of each Secret.
    type: str
    required: true
  secrets:
    description: Of each Secret in the first of O(namespaces) its values; without any it is not to be there.
    type: dict
    default: {}
  mounts:
    description: Whether the mounts of the shared storage run in the first of O(namespaces).
    type: bool
    default: false
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Look whether anything differs
  kube_as_wanted:
    kubeconfig: .state/lab/kubeconfig
    objects: "{{ lookup('manifests', 'workers', cluster=cluster, wantlist=True) | map(attribute='object') }}"
    phases: [workers]
    namespaces: [data-miner]
    instance: lab
"""

RETURN = r"""
as_wanted:
  description: Whether applying would change nothing, and everything that was applied runs.
  type: bool
  returned: always
"""

from typing import Any

from miner_cluster.in_process import module
from miner_cluster.kube.api import KubeError

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "objects": {"type": "list", "elements": "dict", "required": True},
    "phases": {"type": "list", "elements": "str", "required": True},
    "namespaces": {"type": "list", "elements": "str", "required": True},
    "instance": {"type": "str", "required": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "mounts": {"type": "bool", "default": False},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - the same in both modes
    """Return what the module returns; what fails here is told by the task that applies."""
    try:
        return {"changed": False, "as_wanted": _as_wanted(params)}
    except KubeError:
        return {"changed": False, "as_wanted": False}


def _as_wanted(params: dict[str, Any]) -> bool:
    asked = {"kubeconfig": params["kubeconfig"], "namespace": params["namespaces"][0]}
    found = module("kube_diff").run(params, check=True)
    differs = found["changed"] or found["terminating"] or found["pending"]
    if not differs:
        secrets = {"instance": params["instance"], "values": params["secrets"]}
        differs = module("kube_secret").run(asked | secrets, check=True)["changed"]
    if not differs and params["mounts"]:
        mounts = module("kube_mounts").run(asked | {"name": "mount"}, check=True)
        differs = mounts["changed"] or mounts["away"]
    return not differs
