#!/usr/bin/python
"""Ansible module: apply objects to the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_apply
short_description: Apply objects on the server's side
description:
  - Applies each object, in their order, as field manager C(data-miner); fields that others set too become
    ours.
  - It is given what M(kube_diff) found to differ, so each object costs one request. M(kubernetes.core.k8s)
    looks at each again and returns them all, which takes minutes for the objects of a thousand machines.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  objects:
    description: The objects, which differ or are new.
    type: list
    elements: dict
    required: true
attributes:
  check_mode: {support: full}
  diff_mode: {support: none, details: M(kube_diff) shows the differences}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Apply what differs
  kube_apply:
    kubeconfig: .state/lab/kubeconfig
    objects: "{{ compared.objects }}"
"""

RETURN = r"""
applied:
  description: Titles of the objects that were applied, or would be.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube.api import Api
from miner_cluster.kube.apply import apply
from miner_cluster.kube.prune import title
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "objects": {"type": "list", "elements": "dict", "required": True},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Apply the objects; return what the module returns.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    objects = params["objects"]
    if objects and not check:
        apply(Api(Path(params["kubeconfig"])), objects, Wait(Display().display))
    return {"changed": bool(objects), "applied": [title(obj) for obj in objects]}
