#!/usr/bin/python
"""Ansible module: pods can compute on the GPUs of nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_gpus
short_description: Compute on the GPUs of nodes, in a pod on each
description:
  - Starts a pod of the workers' image on each node, as the workers' user. It opens the driver's CUDA library,
    copies bytes to each GPU, has it change them and compares what comes back. The pods are removed again.
  - Workers that run there and were started without the GPU, which they then never get, are named too.
  - What does not work is no failure of the module, which returns it as problems.
extends_documentation_fragment: [cluster]
options:
  nodes:
    description: The nodes whose GPUs are used.
    type: list
    elements: str
    required: true
  namespace:
    description: Where the pods run; unset for that of the cluster's workers.
    type: str
  wait_s:
    description: Seconds within which all of them must be done.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Starts nothing and finds nothing.
author: [data-miner]
"""

EXAMPLES = r"""
- name: Compute on the GPUs
  kube_gpus:
    cluster: "{{ cluster }}"
    nodes: [gpu1]
  register: gpus
"""

RETURN = r"""
gpus:
  description: By node, its GPUs with C(name) and C(memory_bytes).
  type: dict
  returned: always
problems:
  description: What does not work, a sentence for each node, and for each worker that has no GPU.
  type: list
  elements: str
  returned: always
text:
  description: A line about each node, for people.
  type: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import as_cluster
from miner_cluster.kube import gpu_workers, gpus
from miner_cluster.kube.api import Api
from miner_cluster.kube.waiting import Wait
from miner_cluster.manifest_item import app_image

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "nodes": {"type": "list", "elements": "str", "required": True},
    "namespace": {"type": "str"},
    "wait_s": {"type": "int", "default": 120},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns."""
    cluster = as_cluster(params["cluster"])
    if check or not params["nodes"]:
        return {"changed": False, "gpus": {}, "problems": [], "text": ""}
    namespace = params["namespace"] or cluster.namespace
    pods = [
        gpus.pod(
            node,
            namespace=namespace,
            image=app_image(cluster),
            pull_policy=cluster.image.pull_policy,
        )
        for node in params["nodes"]
    ]
    api = Api(Path(cluster.state_dir) / "kubeconfig")
    found = gpus.check(api, pods, wait_s=params["wait_s"], waiting=Wait(Display().display))
    usable = [node for node, one in found.items() if not one["problem"]]
    workers = gpu_workers.workers(api.list("v1", "Pod", namespace), usable)
    return {
        "changed": False,
        "gpus": {node: one["gpus"] for node, one in found.items()},
        "problems": [
            *(gpus.sentence(node, one["problem"]) for node, one in found.items() if one["problem"]),
            *gpu_workers.on_the_cpu(Path(cluster.state_dir) / "bin" / "kubectl", workers),
        ],
        "text": "\n".join(gpus.line(node, one) for node, one in found.items()),
    }
