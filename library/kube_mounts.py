#!/usr/bin/python
"""Ansible module: the mounts of the shared storage, replaced without cutting off a worker."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_mounts
short_description: Replace the mounts of the shared storage where they are not what was applied
description:
  - The mounts' DaemonSet has the update strategy C(OnDelete). For each node whose pod is of an earlier
    revision, one node after the other, the node is cordoned, its workers are asked to end and waited for, the
    pod is replaced, and the node is opened again when the new mount works.
  - An interrupted run leaves a node cordoned with a note on it, and the next one goes on there. A node that
    was cordoned by somebody else stays so. A node that does not answer is left out.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  namespace:
    description: Where the DaemonSet is.
    type: str
    required: true
  name:
    description: The DaemonSet.
    type: str
    default: mount
  worker_namespaces:
    description: Where the workers are.
    type: list
    elements: str
    default: []
  wait_s:
    description: Seconds for the workers of a node to end, and again for its new mount.
    type: int
    default: 180
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Replace the mounts where they are not what was applied
  kube_mounts:
    kubeconfig: .state/lab/kubeconfig
    namespace: seaweedfs
    worker_namespaces: [data-miner]
"""

RETURN = r"""
replaced:
  description: Nodes whose mount was replaced, or would be.
  type: list
  elements: str
  returned: always
away:
  description: Nodes with an earlier mount that do not answer.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube.api import Api
from miner_cluster.kube.mounts import Turn, look
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "namespace": {"type": "str", "required": True},
    "name": {"type": "str", "default": "mount"},
    "worker_namespaces": {"type": "list", "elements": "str", "default": []},
    "wait_s": {"type": "int", "default": 180},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Replace what is outdated; return what the module returns.

    Raises:
        KubeError: the API refuses or does not answer, or something does not happen in time.
    """
    api = Api(Path(params["kubeconfig"]))
    say = Wait(Display().display)
    daemon_set, plan = look(api, params["namespace"], params["name"], waiting=say)
    for node in [] if check else plan.nodes:
        turn = Turn(api=api, daemon_set=daemon_set, node=node, wait_s=params["wait_s"], waiting=say)
        if node in plan.outdated:
            turn.clear(params["worker_namespaces"])
            turn.replace()
        turn.reopen()
    return {"changed": bool(plan.nodes), "replaced": plan.nodes, "away": plan.away}
