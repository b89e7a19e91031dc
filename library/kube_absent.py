#!/usr/bin/python
"""Ansible module: objects that must not exist."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_absent
short_description: Delete objects of ours and wait until they and their pods are gone
description:
  - Deletes each object, and waits until it is gone with everything it owns or contains. Nothing to do when it
    does not exist. Objects without our labels are refused.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  objects:
    description: The objects, with C(apiVersion), C(kind) and C(metadata).
    type: list
    elements: dict
    required: true
  wait_s:
    description: Seconds to wait for all of them together.
    type: int
    default: 180
  away:
    description: >-
      Names of machines that don't answer. Nobody there can say that a pod has ended, so their pods are taken
      out of the API at once.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Remove the application
  kube_absent:
    kubeconfig: .state/lab/kubeconfig
    objects: [{apiVersion: v1, kind: Namespace, metadata: {name: data-miner}}]
"""

RETURN = r"""
removed:
  description: Titles of the objects that were there.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube.absent import present, refuse_foreign, remove
from miner_cluster.kube.api import Api
from miner_cluster.kube.prune import title
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "objects": {"type": "list", "elements": "dict", "required": True},
    "wait_s": {"type": "int", "default": 180},
    "away": {"type": "list", "elements": "str", "default": []},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Delete what is there, telling what is waited for; return what the module returns.

    Raises:
        KubeError: the API refuses or does not answer, or something does not go.
    """
    api = Api(Path(params["kubeconfig"]))
    found = present(api, params["objects"])
    refuse_foreign(found)
    if not check:
        waiting = Wait(Display().display)
        remove(api, found, timeout_s=params["wait_s"], waiting=waiting, away=params["away"])
    removed = [title(obj) for obj in found]
    diff = {"before": "".join(f"{name}\n" for name in removed), "after": ""}
    return {"changed": bool(removed), "removed": removed, "diff": diff}
