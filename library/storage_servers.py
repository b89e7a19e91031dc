#!/usr/bin/python
"""Ansible module: volume servers of machines that left the configuration are emptied."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_servers
short_description: Move everything off volume servers that are no longer wanted
description:
  - Finds volume servers of SeaweedFS whose machine is not in the configuration any more, moves their volumes
    to the others while writers go on, lets them leave, and marks their StatefulSets, which M(kube_rollout)
    then deletes. Fails before anything is moved when the volumes do not fit elsewhere, or a server does not
    answer.
  - Lets a server serve again that was emptied by an earlier run and is in the configuration again.
  - An interrupted run is finished by the next. Where nothing is to be done it takes one request.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
  lost:
    description: Names of machines that will never answer again; what only they had is given up.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Empty the servers of machines that were taken out of the file
  storage_servers:
    cluster: "{{ cluster }}"
"""

RETURN = r"""
emptied:
  description: StatefulSets that hold nothing any more.
  type: list
  elements: str
  returned: always
moved:
  description: How many volumes were moved.
  type: int
  returned: always
msg:
  description: What was done, or would be done.
  type: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.seaweedfs.leaving import Departure, find
from miner_cluster.seaweedfs.shell import WeedShell

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "lost": {"type": "list", "elements": "str", "default": []},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Empty what leaves and return what the module returns.

    Raises:
        KubeError: it does not fit elsewhere, a server does not answer, or the API or SeaweedFS refuses.
    """
    cluster = as_cluster(params["cluster"])
    if unknown := sorted(set(params["lost"]) & set(cluster.nodes)):
        raise KubeError(
            f"{', '.join(unknown)} is in cluster_config.yaml; take it out there before you give it up as lost"
        )
    state, namespace = Path(cluster.state_dir), cluster.seaweedfs.namespace
    api = Api(state / "kubeconfig")
    sets = find(api, namespace, {f"volume-{name}" for name in cluster.nodes})
    departure = Departure(
        api=api,
        shell=WeedShell(kubectl=state / "bin" / "kubectl", namespace=namespace),
        say=Display().display,
        replication=cluster.replication,
        lost={f"volume-{name}" for name in params["lost"]},
    )
    moved, message = 0, ""
    if sets.leaving and check:
        message = departure.planned(sets.leaving)
    elif sets.leaving:
        moved = departure.empty(sets.leaving)
        message = f"{moved} volumes moved off {', '.join(sorted(sets.leaving))}"
    if not check:
        departure.take_back(sets.returned)
    return {
        "changed": bool(sets.leaving or sets.returned),
        "emptied": sorted(sets.leaving),
        "moved": moved,
        "msg": message,
    }
