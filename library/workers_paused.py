#!/usr/bin/python
"""Ansible module: workers that rest while something beneath them is replaced."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workers_paused
short_description: Let no worker run for a while, and then as many as before
description:
  - V(paused) sets the number of each worker to 0, notes what it was at the object itself, and waits until
    the pods have ended; each gives back what it works on. V(resumed) puts the noted numbers back, also those
    that an interrupted run left. V(looked) tells which workers rest now, and changes nothing.
options:
  state:
    description: What is wanted.
    type: str
    choices: [paused, resumed, looked]
    required: true
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  namespace:
    description: The application's namespace.
    type: str
    required: true
  wait_s:
    description: Seconds to wait for the pods to end.
    type: int
    default: 180
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Let the workers end
  workers_paused:
    state: paused
    kubeconfig: .state/lab/kubeconfig
    namespace: data-miner
"""

RETURN = r"""
workers:
  description: Titles of the workloads whose number was changed, or, with O(state=looked), that rest.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.kube.api import Api
from miner_cluster.kube.pause import pause, resting, resume
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["paused", "resumed", "looked"], "required": True},
    "kubeconfig": {"type": "path", "required": True},
    "namespace": {"type": "str", "required": True},
    "wait_s": {"type": "int", "default": 180},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        KubeError: the API refuses or does not answer, or pods don't end.
    """
    api, namespace = Api(Path(params["kubeconfig"])), params["namespace"]
    if params["state"] == "looked":
        return {"changed": False, "workers": resting(api, namespace)}
    if params["state"] == "paused":
        waiting = Wait(Display().display)
        changed = pause(api, namespace, timeout_s=params["wait_s"], waiting=waiting, check=check)
    else:
        changed = resume(api, namespace, check=check)
    return {"changed": bool(changed), "workers": changed}
