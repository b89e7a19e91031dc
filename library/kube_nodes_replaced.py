#!/usr/bin/python
"""Ansible module: nodes of machines that were replaced leave the cluster before the new ones join."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_nodes_replaced
short_description: Delete the nodes of machines that were replaced under the same name
description:
  - A new machine under the name of an agent is refused by k3s as long as the old one's node is there, since
    it does not know the old one's password. So that node is deleted, and with it k3s deletes the password.
  - Fails when the node is Ready, as then another machine has that name.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller. Where it is missing nothing is done.
    type: path
    required: true
  names:
    description: Agents on whose machines there is no k3s.
    type: list
    elements: str
    required: true
  wait_s:
    description: >-
      Seconds for the API to notice that a machine is gone, which takes it about 40. Check mode does not wait.
    type: int
    default: 90
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Forget the agents whose machines were replaced
  kube_nodes_replaced:
    kubeconfig: .state/lab/kubeconfig
    names: [lab-agent-1]
"""

RETURN = r"""
forgotten:
  description: Names of the nodes that were deleted.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube import node_removal
from miner_cluster.kube.api import Api
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "wait_s": {"type": "int", "default": 90},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        KubeError: a node is Ready, or the API refuses or does not answer.
    """
    kubeconfig = Path(params["kubeconfig"])
    if not params["names"] or not kubeconfig.exists():
        return {"changed": False, "forgotten": []}
    api = Api(kubeconfig)
    wait_s = 0 if check else params["wait_s"]
    replaced = node_removal.replaced(api, params["names"], Wait(Display().display), wait_s=wait_s)
    for node in [] if check else replaced:
        node_removal.delete(api, node)
    return {"changed": bool(replaced), "forgotten": [node["metadata"]["name"] for node in replaced]}
