#!/usr/bin/python
"""Ansible module: the nodes are Ready and have our labels."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_nodes
short_description: Wait until nodes are Ready and give them their labels
description:
  - Fails when a node is missing or does not get Ready, and says what it says of itself.
  - Sets labels that differ, and removes those that were set here earlier and are no longer wanted. Which
    these are is kept in the annotation C(data-miner/labels) of each node. Labels of others are left alone.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller. Under check mode it may be missing.
    type: path
    required: true
  labels:
    description: By node, its labels. A label that is null stays as it is.
    type: dict
    required: true
  wait_s:
    description: Seconds within which all nodes must be Ready. Check mode does not wait.
    type: int
    default: 120
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Label the nodes
  kube_nodes:
    kubeconfig: .state/lab/kubeconfig
    labels: {lab-server: {data-miner/role: server}}
"""

RETURN = r"""
labelled:
  description: Names of the nodes whose labels were changed.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube import node_labels
from miner_cluster.kube.api import Api
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "labels": {"type": "dict", "required": True},
    "wait_s": {"type": "int", "default": 120},
}


def label(params: dict[str, Any], *, check: bool) -> list[node_labels.Change]:
    """Label the nodes, unless in check mode, and return the changes.

    Raises:
        KubeError: the API does not answer, or a node is missing or not Ready.
    """
    wanted: dict[str, node_labels.Wanted] = params["labels"]
    kubeconfig = Path(params["kubeconfig"])
    if check and not kubeconfig.exists():
        return [
            node_labels.Change(
                node=name, labels=dict(labels), owned=[k for k, v in labels.items() if v], before={}
            )
            for name, labels in wanted.items()
        ]
    api = Api(kubeconfig)
    nodes = node_labels.ready_nodes(
        api, list(wanted), wait_s=0 if check else params["wait_s"], waiting=Wait(Display().display)
    )
    changes = [c for name, labels in wanted.items() if (c := node_labels.plan(nodes[name], labels))]
    for change in changes if not check else []:
        node_labels.apply(api, change)
    return changes


def difference(change: node_labels.Change) -> dict[str, str]:
    """Return what Ansible shows with --diff."""
    texts = [
        "".join(f"{key}: {value}\n" for key, value in sorted(labels.items()))
        for labels in (change.before, change.after)
    ]
    heading = f"labels of node {change.node}"
    return {"before_header": heading, "after_header": heading, "before": texts[0], "after": texts[1]}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns."""
    changes = label(params, check=check)
    return {
        "changed": bool(changes),
        "labelled": [change.node for change in changes],
        "diff": [difference(change) for change in changes],
    }
