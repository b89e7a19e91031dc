#!/usr/bin/python
"""Ansible module: nodes that left the configuration leave the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_nodes_gone
short_description: Drain and delete nodes that are no longer wanted
description:
  - Finds nodes that were labelled here and are not named any more, drains them, unless they do not answer,
    and deletes them from the API. Budgets of disruptions are kept.
  - The machine at the address of one may be another by now that the configuration names, as where its address
    was given to a new machine, or where it has another name in the file. Such a node is not drained, for its
    pods are gone, and is not among RV(gone), so that its machine stays as it is.
  - Fails before anything is touched when one of them still has a volume server, or is a server without which
    too few would be left to decide. A server's vote is taken with its node, those of servers that do not
    answer first.
extends_documentation_fragment: [cluster]
options:
  state:
    description: With V(drained) they stay in the API, for what else is to be done before they are forgotten.
    type: str
    choices: [absent, drained]
    default: absent
  only:
    description: Names of those that this is about; none means all.
    type: list
    elements: str
    default: []
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
  description: The nodes, by name, with their addresses; those that do not answer first.
  type: dict
  returned: always
reused:
  description: The nodes whose address is that of a machine of the configuration now, with its name.
  type: dict
  returned: always
servers:
  description: Names of those among them that are servers.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import ROLE_LABEL, as_cluster
from miner_cluster.kube import node_removal, servers
from miner_cluster.kube.api import Api, KubeError, Object
from miner_cluster.kube.rollout import ready
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": ["absent", "drained"], "default": "absent"},
    "only": {"type": "list", "elements": "str", "default": []},
    "wait_s": {"type": "int", "default": 300},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Remove nodes and return what the module returns.

    Raises:
        KubeError: one can't go, or the API refuses or does not answer.
    """
    cluster = as_cluster(params["cluster"])
    kubeconfig = Path(cluster.state_dir) / "kubeconfig"
    api = Api(kubeconfig)
    nodes = sorted(node_removal.gone(api, set(cluster.nodes)), key=ready)
    if params["only"]:
        nodes = [node for node in nodes if node["metadata"]["name"] in params["only"]]
    leaving = [node["metadata"]["name"] for node in nodes if _serves(node)]
    addresses = {node["metadata"]["name"]: node_removal.address(node) for node in nodes}
    configured = {node.ip: name for name, node in cluster.nodes.items()}
    reused = {name: configured[ip] for name, ip in addresses.items() if ip in configured}
    if not check:
        node_removal.refuse(api, nodes, cluster.seaweedfs.namespace)
        if leaving:
            refuse_servers(api, leaving, servers.ask(kubeconfig))
        for node in nodes:
            waiting = Wait(Display().display)
            answers = ready(node) and node["metadata"]["name"] not in reused
            node_removal.drain(api, node, waiting, timeout_s=params["wait_s"], answers=answers)
            if params["state"] == "absent":
                _delete(api, node, waiting, timeout_s=params["wait_s"])
    return {
        "changed": bool(nodes),
        "gone": {name: ip for name, ip in addresses.items() if name not in reused},
        "reused": reused,
        "servers": leaving,
        "warnings": [
            f"{old} leaves the cluster; {new} has its address now, so nothing is uninstalled there"
            for old, new in reused.items()
        ],
    }


def refuse_servers(api: Api, leaving: list[str], readyz: servers.Ask) -> None:
    """Check that servers can go.

    Raises:
        KubeError: the cluster's only one would go, or too few would be left to decide.
    """
    found = servers.members(api.list("v1", "Node"), readyz)
    voting = {member.name for member in found}
    if alone := [name for name in leaving if name not in voting]:
        raise KubeError(
            f"{', '.join(alone)} serves the cluster's API alone and is not in cluster_config.yaml any more; "
            "nothing was removed. Put it back: the cluster ends with it"
        )
    servers.refuse_to_forget(found, leaving)


def _delete(api: Api, node: Object, waiting: Wait, *, timeout_s: float) -> None:
    if _serves(node):
        servers.forget(api, node, waiting, timeout_s=timeout_s)
    else:
        node_removal.delete(api, node)


def _serves(node: Object) -> bool:
    return (node["metadata"].get("labels") or {}).get(ROLE_LABEL) == "server"
