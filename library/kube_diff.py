#!/usr/bin/python
"""Ansible module: which objects differ from the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_diff
short_description: Find out which objects a server-side apply would change
description:
  - Finds out what applying each object would change (by a dry run, where the API server's notes don't tell
    that nothing would), which objects of ours in the named phases are no longer wanted, which objects have
    fields that somebody added with kubectl, and which workloads do not yet run what was applied. Changes
    nothing.
  - Reports C(changed) in check mode only, where it stands for the tasks that would follow.
  - M(kube_apply) applies what this returns.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  objects:
    description: The objects as they should be.
    type: list
    elements: dict
    required: true
  phases:
    description: Values of the label C(data-miner/phase) whose leftovers are looked for.
    type: list
    elements: str
    default: []
  namespaces:
    description: Namespaces to look for leftovers in.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Compare the workers
  kube_diff:
    kubeconfig: .state/lab/kubeconfig
    objects: "{{ workers }}"
    phases: [workers]
    namespaces: [data-miner]
  register: compared
"""

RETURN = r"""
objects:
  description: The given objects that are new or would change.
  type: list
  elements: dict
  returned: always
additions:
  description: The given objects that have fields which were added by hand and are not wanted.
  type: list
  elements: dict
  returned: always
terminating:
  description:
    - The given objects that must be gone before they can be applied, for they are being deleted just now
      or are Jobs that gave up.
  type: list
  elements: dict
  returned: always
leftovers:
  description: Titles of objects of ours that are no longer wanted.
  type: list
  elements: str
  returned: always
pending:
  description: Titles of workloads that do not yet run what was applied.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from miner_cluster.kube.api import Api
from miner_cluster.kube.diff import compare
from miner_cluster.kube.prune import find_leftovers, title
from miner_cluster.kube.rollout import not_settled

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "objects": {"type": "list", "elements": "dict", "required": True},
    "phases": {"type": "list", "elements": "str", "default": []},
    "namespaces": {"type": "list", "elements": "str", "default": []},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Compare and return what the module returns, with the differences to show.

    Raises:
        KubeError: the API does not answer, or would refuse an object.
    """
    api = Api(Path(params["kubeconfig"]))
    found = compare(api, params["objects"])
    leftovers = find_leftovers(api, params["objects"], params["phases"], params["namespaces"])
    different = {title(obj) for obj in [*found.objects, *found.additions]}
    same = [obj for obj in params["objects"] if title(obj) not in different]
    gone = [
        {"before_header": title(obj), "after_header": title(obj), "before": "present\n", "after": ""}
        for obj in leftovers
    ]
    return {
        "changed": check and bool(found.objects or found.additions or leftovers),
        "objects": found.objects,
        "additions": found.additions,
        "terminating": found.terminating,
        "leftovers": [title(obj) for obj in leftovers],
        "pending": [title(obj) for obj in not_settled(api, same)],
        "diff": found.shown + gone,
    }
