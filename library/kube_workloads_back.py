#!/usr/bin/python
"""Ansible module: workloads have all their pods again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_workloads_back
short_description: Wait until workloads have all their pods again
description:
  - Waits until each workload has as many pods that are ready as it wants; changes nothing.
extends_documentation_fragment: [cluster]
options:
  workloads:
    description: The workloads, as M(kube_node_closed) returns them.
    type: list
    elements: dict
    required: true
  wait_s:
    description: Seconds within which it must be so. Check mode does not wait.
    type: int
    default: 600
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Wait for what ran there
  kube_workloads_back:
    cluster: "{{ cluster }}"
    workloads: "{{ closed.workloads }}"
"""

RETURN = r"""
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api
from miner_cluster.kube.upgrade import wait_until_all_is_back
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "workloads": {"type": "list", "elements": "dict", "required": True},
    "wait_s": {"type": "int", "default": 600},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        KubeError: a workload is not complete in time.
    """
    if not check:
        api = Api(Path(as_cluster(params["cluster"]).state_dir) / "kubeconfig")
        wait_until_all_is_back(api, params["workloads"], Wait(Display().display), timeout_s=params["wait_s"])
    return {"changed": False}
