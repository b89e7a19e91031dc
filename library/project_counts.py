#!/usr/bin/python
"""Ansible module: how far a cluster's projects are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: project_counts
short_description: Ask the application for the counts of its projects
description:
  - The counts take a moment, in which machines can be asked something else; M(cluster_status) takes them as
    they are.
  - Changes nothing, and fails in no case.
extends_documentation_fragment: [cluster]
options:
  project:
    description: The project whose first frames are waited for; empty for none.
    type: str
    default: ""
  wait_s:
    description: >-
      Seconds to wait at most for these frames, and for the database to answer. For an API that does not
      answer nobody waits.
    type: int
    default: 0
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Ask how far the projects are
  project_counts:
    cluster: "{{ cluster }}"
  register: counts
"""

RETURN = r"""
projects:
  description: Of each project what C(data-miner status --json) says of it; none where nobody could be asked.
  type: dict
  returned: always
problem:
  description: Why nobody could be asked; empty where that is not so, and where there is no monitor to ask.
  type: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.look import counts, settled_counts
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "project": {"type": "str", "default": ""},
    "wait_s": {"type": "int", "default": 0},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - nothing is changed
    """Return what the module returns."""
    cluster = as_cluster(params["cluster"])
    found: dict[str, Any] = {"changed": False, "projects": {}, "problem": ""}
    if "monitor" not in cluster.workers:
        return found
    kubectl = Path(cluster.state_dir) / "bin" / "kubectl"
    try:
        # For an API that is away nobody waits here.
        Api(Path(cluster.state_dir) / "kubeconfig").raw("GET", "/readyz")
        found["projects"] = settled_counts(
            lambda: counts(kubectl, cluster.namespace),
            params["project"],
            wait_s=params["wait_s"],
            waiting=Wait(Display().display),
        )
    except KubeError as error:
        found["problem"] = str(error)
    return found
