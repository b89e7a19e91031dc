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
  - Refuses more copies of each file where there is no room for those of the files that are there.
  - Lets a server serve again that was emptied by an earlier run and is in the configuration again.
  - An interrupted run is finished by the next. Where nothing is to be done it takes two requests.
extends_documentation_fragment: [cluster]
options:
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

from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.manifests_storage import volume_count
from miner_cluster.seaweedfs.leaving import Departure, find, replication_in_use
from miner_cluster.seaweedfs.replication import copies
from miner_cluster.seaweedfs.shell import WeedShell
from miner_cluster.seaweedfs.topology import name_of, no_room_for_copies

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
    in_use = replication_in_use(api, namespace)
    if in_use and copies(cluster.replication) > copies(in_use):
        _refuse_copies(cluster, departure.shell)
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


def _refuse_copies(cluster: Cluster, shell: WeedShell) -> None:
    """Check that there is room for more copies of what is there.

    Raises:
        KubeError: there is not, or SeaweedFS can't be asked.
    """
    servers = shell.servers()
    known = {name_of(address) for address in servers}
    joining = [node for name, node in cluster.nodes.items() if f"volume-{name}" not in known]
    if any(node.disk_limit_mb == 0 for node in joining):
        return
    size_mb = cluster.seaweedfs.volume_size_limit_mb
    coming = sum(volume_count(node, size_mb) for node in joining)
    if refused := no_room_for_copies(servers.values(), cluster.replication, coming=coming):
        raise KubeError(refused)
