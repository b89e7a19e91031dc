#!/usr/bin/python
"""Ansible module: the nodes are Ready and have our labels."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_nodes
short_description: Wait until nodes are Ready and give them their labels and taints
description:
  - Fails when a node is missing or does not get Ready, and says what it says of itself.
  - Sets labels that differ, and removes those that were set here earlier and are no longer wanted. Which
    these are is kept in the annotation C(data-miner/labels) of each node. Labels of others are left alone.
    Taints likewise, by the annotation C(data-miner/taints).
  - Opens nodes (uncordon) that were closed here as they were to leave the cluster, and that are wanted again.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller. Under check mode it may be missing.
    type: path
    required: true
  labels:
    description: By node, its labels. A label that is null stays as it is.
    type: dict
    required: true
  taints:
    description: By node, its taints, each as C(key=value:effect). Of a node that is left out, ours go.
    type: dict
    default: {}
  evict:
    description:
      - Whether taints that end pods (C(NoExecute)) are set too. When not, those that a node has already
        stay, and a node that was never labelled here, on which nothing of ours runs, gets all of them.
    type: bool
    default: true
  left_out:
    description: Names of nodes whose machines are away, which are neither waited for nor changed.
    type: list
    elements: str
    default: []
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
tainted:
  description: Names of the nodes whose taints were changed.
  type: list
  elements: str
  returned: always
opened:
  description: Names of the nodes that were to leave and take pods again.
  type: list
  elements: str
  returned: always
labelled:
  description: Names of the nodes whose labels were changed.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube import draining, node_labels, node_taints
from miner_cluster.kube.api import Api
from miner_cluster.kube.node_removal import LEAVING
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "labels": {"type": "dict", "required": True},
    "taints": {"type": "dict", "default": {}},
    "evict": {"type": "bool", "default": True},
    "left_out": {"type": "list", "elements": "str", "default": []},
    "wait_s": {"type": "int", "default": 120},
}


def changes(
    params: dict[str, Any], *, check: bool
) -> tuple[list[node_labels.Change], list[node_taints.Change], list[str]]:
    """Label, taint and open the nodes, unless in check mode, and return the changes and whom it opened.

    Raises:
        KubeError: the API does not answer, or a node is missing or not Ready.
    """
    wanted: dict[str, node_labels.Wanted] = {
        name: labels for name, labels in params["labels"].items() if name not in params["left_out"]
    }
    taints: dict[str, list[str]] = params["taints"]
    kubeconfig = Path(params["kubeconfig"])
    if check and not kubeconfig.exists():
        # Of nodes that are yet to come, as they join.
        nodes = {name: {"metadata": {"name": name}} for name in wanted}
    else:
        api = Api(kubeconfig)
        nodes = node_labels.ready_nodes(
            api, list(wanted), wait_s=0 if check else params["wait_s"], waiting=Wait(Display().display)
        )
    to_label = [c for name, labels in wanted.items() if (c := node_labels.plan(nodes[name], labels))]
    if not params["evict"]:
        taints = {name: node_taints.gentle(nodes[name], taints.get(name, [])) for name in wanted}
    to_taint = [t for name in wanted if (t := node_taints.plan(nodes[name], taints.get(name, [])))]
    to_open = [name for name in wanted if draining.closed_for(nodes[name]) == LEAVING]
    if not check:
        for labelled in to_label:
            node_labels.apply(api, labelled)
        for tainted in to_taint:
            node_taints.apply(api, tainted, taints.get(tainted.node, []))
        for name in to_open:
            draining.reopen(api, nodes[name])
    return to_label, to_taint, to_open


def difference(what: str, node: str, before: list[str], after: list[str]) -> dict[str, str]:
    """Return what Ansible shows with --diff."""
    heading = f"{what} of node {node}"
    texts = ["".join(f"{line}\n" for line in sorted(lines)) for lines in (before, after)]
    return {"before_header": heading, "after_header": heading, "before": texts[0], "after": texts[1]}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns."""
    labelled, tainted, opened = changes(params, check=check)
    return {
        "changed": bool(labelled or tainted or opened),
        "labelled": [change.node for change in labelled],
        "tainted": [change.node for change in tainted],
        "opened": opened,
        "diff": [
            *(difference("labels", c.node, _lines(c.before), _lines(c.after)) for c in labelled),
            *(difference("taints", c.node, c.before, c.after) for c in tainted),
        ],
    }


def _lines(labels: dict[str, str]) -> list[str]:
    return [f"{key}: {value}" for key, value in labels.items()]
