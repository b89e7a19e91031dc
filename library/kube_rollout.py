#!/usr/bin/python
"""Ansible module: what follows an apply, namely pruning and waiting."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_rollout
short_description: Prune what is not rendered and wait until workloads run what was applied
description:
  - Deletes objects of ours in the named phases that are not in the given set, removes fields that somebody
    added with kubectl, and waits until every
    Deployment, StatefulSet, DaemonSet and Job of the set is rolled out. When one is not, the message holds
    its pods' states, last log lines and events.
  - Applying is left to M(kube_apply).
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  objects:
    description: The phase's objects, as they were applied.
    type: list
    elements: dict
    required: true
  phases:
    description: Values of the label C(data-miner/phase) whose leftovers in these namespaces are deleted.
    type: list
    elements: str
    default: []
  namespaces:
    description: Namespaces to look for leftovers in.
    type: list
    elements: str
    default: []
  additions:
    description: Those of the objects that fields were added to, as M(kube_diff) returns them.
    type: list
    elements: dict
    default: []
  jobs:
    description: Whether to wait for Jobs too.
    type: bool
    default: true
  wait_s:
    description: Seconds to wait for all workloads together; 0 does not wait. Check mode never waits.
    type: int
    default: 300
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Wait for the workers
  kube_rollout:
    kubeconfig: .state/lab/kubeconfig
    objects: "{{ workers }}"
    phases: [workers]
"""

RETURN = r"""
cleaned:
  description: Titles of the objects that fields were removed from.
  type: list
  elements: str
  returned: always
removed:
  description: The leftovers that were deleted.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube import rollout
from miner_cluster.kube.api import Api
from miner_cluster.kube.by_hand import remove_additions
from miner_cluster.kube.prune import delete, find_leftovers, refuse_storage, title
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "objects": {"type": "list", "elements": "dict", "required": True},
    "phases": {"type": "list", "elements": "str", "default": []},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "additions": {"type": "list", "elements": "dict", "default": []},
    "jobs": {"type": "bool", "default": True},
    "wait_s": {"type": "int", "default": 300},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Prune and wait, telling what is waited for; return what the module returns.

    Raises:
        KubeError: the API refuses or does not answer, or a workload does not get ready.
    """
    api, objects = Api(Path(params["kubeconfig"])), params["objects"]
    removed = find_leftovers(api, objects, params["phases"], params["namespaces"])
    refuse_storage(removed)
    for leftover in [] if check else removed:
        delete(api, leftover)
    cleaned = params["additions"] if check else remove_additions(api, params["additions"])
    if params["wait_s"] and not check:
        awaited = [obj for obj in objects if params["jobs"] or obj["kind"] != "Job"]
        rollout.wait(api, awaited, timeout_s=params["wait_s"], waiting=Wait(Display().display))
    return {
        "changed": bool(removed or cleaned),
        "removed": [title(obj) for obj in removed],
        "cleaned": [title(obj) for obj in cleaned],
    }
