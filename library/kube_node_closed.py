#!/usr/bin/python
"""Ansible module: a node takes no pods while its k3s is replaced."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_node_closed
short_description: Close a node and have its pods move away
description:
  - Closes a node (cordon) and evicts its pods, which keeps budgets of disruptions. Pods of DaemonSets stay,
    and others that may come to a closed node. Workers go before services. What somebody else has closed stays
    theirs to open.
  - A node that is not Ready can't be drained and is only closed.
  - Fails before anything is done where pods of others would lose something.
extends_documentation_fragment: [cluster, cluster.node]
options:
  drain:
    description: Whether its pods move away.
    type: bool
    default: true
  force:
    description: >-
      Whether pods of others may lose data in an emptyDir, or themselves where nothing makes them anew.
    type: bool
    default: false
  wait_s:
    description: Seconds within which they must be gone.
    type: int
    default: 600
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Take the node out of use
  kube_node_closed:
    cluster: "{{ cluster }}"
    node: "{{ node.name }}"
  register: closed
"""

RETURN = r"""
workloads:
  description: Workloads with pods on the node that were complete before.
  type: list
  elements: dict
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import as_cluster
from miner_cluster.kube import draining, upgrade
from miner_cluster.kube.api import Api
from miner_cluster.kube.rollout import ready
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "node": {"type": "str", "required": True},
    "drain": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    "wait_s": {"type": "int", "default": 600},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        KubeError: the API does not answer, pods would lose something, or do not go in time.
    """
    cluster, name = as_cluster(params["cluster"]), params["node"]
    api = Api(Path(cluster.state_dir) / "kubeconfig")
    node = api.call("GET", api.resource("v1", "Node").path(name=name))
    workloads = upgrade.well(api, name)
    drain = params["drain"] and ready(node)
    if drain:
        namespaces = (cluster.namespace, cluster.seaweedfs.namespace)
        upgrade.refuse_drains(api, [name], namespaces, force=params["force"], planned=False)
    if not check:
        draining.close(api, node, upgrade.REASON)
        if drain:
            draining.empty(api, name, Wait(Display().display), timeout_s=params["wait_s"])
    return {"changed": True, "workloads": workloads}
