#!/usr/bin/python
"""Ansible module: a node whose k3s was replaced takes pods again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_node_open
short_description: Wait until a node runs a version of k3s, and open it again
description:
  - Waits until a node is Ready and says that it runs the version; of a server also until its API server and
    database say that they are well. The API may be away meanwhile. Then opens the node (uncordon) where it
    was closed for an upgrade.
extends_documentation_fragment: [cluster, cluster.node]
options:
  version:
    description: The version that it must run.
    type: str
    required: true
  wait_s:
    description: Seconds within which it must be so.
    type: int
    default: 300
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Take the node into use again
  kube_node_open:
    cluster: "{{ cluster }}"
    node: "{{ node.name }}"
    version: "{{ cluster.k3s_version }}"
"""

RETURN = r"""
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.kube import servers, upgrade
from miner_cluster.kube.api import Api, Object
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "node": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "wait_s": {"type": "int", "default": 300},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        KubeError: the node does not come back in time.
    """
    if check:
        return {"changed": True}
    cluster, name = as_cluster(params["cluster"]), params["node"]
    kubeconfig = Path(cluster.state_dir) / "kubeconfig"

    def node() -> Object:
        # A connection of its own: the API server may be one that was just started.
        api = Api(kubeconfig, timeout_s=servers.ANSWER_S)
        return api.call("GET", api.resource("v1", "Node").path(name=name))

    def problem() -> str:
        return _server_problem(cluster, kubeconfig, name)

    waiting = Wait(Display().display)
    upgrade.wait_until_it_runs(node, params["version"], waiting, timeout_s=params["wait_s"], problem=problem)
    opened = upgrade.open_once_it_answers(lambda: Api(kubeconfig), name, waiting, timeout_s=params["wait_s"])
    return {"changed": opened}


def _server_problem(cluster: Cluster, kubeconfig: Path, name: str) -> str:
    found = servers.ask(kubeconfig)(cluster.nodes[name].ip) if name in cluster.servers else ""
    return f"{name}: {found}" if found else ""
