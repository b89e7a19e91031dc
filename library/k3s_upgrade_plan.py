#!/usr/bin/python
"""Ansible module: which nodes get another version of k3s."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_upgrade_plan
short_description: Plan the upgrade of k3s, or say why it can't be
description:
  - Compares the version of k3s that each node runs with the configured one, and returns the nodes that are to
    get it, servers first. Nodes that have it already are left out, so a plan made again goes on where an
    upgrade stopped.
  - Fails with all reasons where Kubernetes does not allow the step, and where pods of others would lose
    something, or pods could never be moved as a budget wants as many as there are. Of an upgrade that has
    begun, also where workloads of ours are not complete between two nodes. Changes nothing.
extends_documentation_fragment: [cluster]
options:
  hosts:
    description: Names of the machines that this run is about.
    type: list
    elements: str
    required: true
  replaced:
    description: >-
      Names of machines without k3s: new ones, whatever the cluster knows of those before them under their
      names. Agents among them are left out. Servers must be taken in before the others are restarted.
    type: list
    elements: str
    default: []
  drain:
    description: >-
      Whether pods move away from each node meanwhile; V(auto) for where the minor version changes, as
      Kubernetes asks.
    type: str
    choices: [auto, always, never]
    default: auto
  force:
    description: >-
      Whether pods of others may lose data in an emptyDir, or themselves where nothing makes them anew, and
      whether drains may wait for budgets that want as many pods as there are.
    type: bool
    default: false
  back:
    description: Whether it may be an older patch than the one that runs.
    type: bool
    default: false
  at_a_time:
    description: >-
      How many agents may be away at once, a number, or a share of those that are upgraded such as V(25%).
    type: str
    default: "1"
  incomplete:
    description: Whether an upgrade that has begun goes on while workloads of ours are not complete.
    type: bool
    default: false
  wait_s:
    description: Seconds within which they must be. Check mode does not wait.
    type: int
    default: 600
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Plan the upgrade
  k3s_upgrade_plan:
    cluster: "{{ cluster }}"
    hosts: "{{ groups.all }}"
  register: plan
"""

RETURN = r"""
nodes:
  description: >-
    Of each node that gets the version, in order, what it runs (C(before)) and whether its pods move away
    (C(drain)).
  type: dict
  returned: always
servers:
  description: Names of those among them that are servers.
  type: list
  elements: str
  returned: always
agents:
  description: Names of the others.
  type: list
  elements: str
  returned: always
first:
  description: >-
    Those agents that are begun together first, as many as may be away at once, less others that take no pods;
    one at least.
  type: list
  elements: str
  returned: always
back:
  description: Whether it is an older patch than one that runs.
  type: bool
  returned: always
reopen:
  description: Nodes that have the version and that an interrupted upgrade left closed.
  type: list
  elements: str
  returned: always
absent:
  description: Nodes of the configuration that are not in the cluster yet, and those of O(replaced).
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api
from miner_cluster.kube.upgrade import batch, make_plan, refuse_drains, refuse_incomplete
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "replaced": {"type": "list", "elements": "str", "default": []},
    "drain": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "force": {"type": "bool", "default": False},
    "back": {"type": "bool", "default": False},
    "at_a_time": {"type": "str", "default": "1"},
    "incomplete": {"type": "bool", "default": False},
    "wait_s": {"type": "int", "default": 600},
}
_DRAIN = {"auto": None, "always": True, "never": False}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        KubeError: the API does not answer, or the version can't be reached.
    """
    cluster = as_cluster(params["cluster"])
    api = Api(Path(cluster.state_dir) / "kubeconfig")
    replaced, hosts = params["replaced"], params["hosts"]
    plan = make_plan(
        cluster,
        api.list("v1", "Node"),
        hosts,
        drain=_DRAIN[params["drain"]],
        back=params["back"],
        replaced=replaced,
    )
    namespaces = (cluster.namespace, cluster.seaweedfs.namespace)
    if drained := {turn.name for turn in plan.turns if turn.drain}:
        refuse_drains(api, drained, namespaces, force=params["force"], planned=True)
    if plan.goes_on and not params["incomplete"]:
        waiting = Wait(Display().display)
        wait_s = 0 if check else params["wait_s"]
        without = [name for name in cluster.nodes if name not in hosts or name in replaced]
        refuse_incomplete(api, namespaces, waiting, timeout_s=wait_s, without=without)
    agents = [turn.name for turn in plan.turns if not turn.server]
    return {
        "changed": False,
        "nodes": {turn.name: {"before": turn.before, "drain": turn.drain} for turn in plan.turns},
        "servers": [turn.name for turn in plan.turns if turn.server],
        "agents": agents,
        "first": agents[: batch(plan, params["at_a_time"])],
        "back": plan.back,
        "reopen": list(plan.reopen),
        "absent": list(plan.absent),
    }
