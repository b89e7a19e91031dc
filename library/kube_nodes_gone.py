#!/usr/bin/python
"""Ansible module: nodes that left the configuration leave the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_nodes_gone
short_description: Drain and delete nodes that are no longer wanted
description:
  - Finds nodes that were labelled here and are not named any more, drains them, unless they do not answer,
    and deletes them from the API. Budgets of disruptions are kept.
  - Fails before anything is touched when one of them is a server, or still has a volume server.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
  state:
    description: With V(drained) they stay in the API, for what else is to be done before they are forgotten.
    type: str
    choices: [absent, drained]
    default: absent
  wait_s:
    description: Seconds within which a node's pods must be gone.
    type: int
    default: 300
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Take the nodes out of the cluster that were taken out of the file
  kube_nodes_gone:
    cluster: "{{ cluster }}"
"""

RETURN = r"""
gone:
  description: The nodes, by name, with their addresses.
  type: dict
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import as_cluster
from miner_cluster.kube import node_removal
from miner_cluster.kube.api import Api
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": ["absent", "drained"], "default": "absent"},
    "wait_s": {"type": "int", "default": 300},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Remove nodes and return what the module returns.

    Raises:
        KubeError: one can't go, or the API refuses or does not answer.
    """
    cluster = as_cluster(params["cluster"])
    api = Api(Path(cluster.state_dir) / "kubeconfig")
    nodes = node_removal.gone(api, set(cluster.nodes))
    if not check:
        node_removal.refuse(api, nodes, cluster.seaweedfs.namespace)
        for node in nodes:
            node_removal.drain(api, node, Wait(Display().display), timeout_s=params["wait_s"])
            if params["state"] == "absent":
                node_removal.delete(api, node)
    return {
        "changed": bool(nodes),
        "gone": {node["metadata"]["name"]: node_removal.address(node) for node in nodes},
    }
