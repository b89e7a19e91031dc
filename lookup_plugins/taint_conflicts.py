"""Lookup: taints of others that forbid those of the configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
name: taint_conflicts
short_description: Taints that somebody else has set and the configuration wants otherwise
description:
  - Asks the API with the controller's own access where a machine is to have taints. Where there is no access
    yet, or nobody answers, nothing is known.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Say what is in the way
  ansible.builtin.debug:
    msg: "{{ lookup('taint_conflicts', cluster=cluster) }}"
"""

RETURN = r"""
_raw:
  description: One dictionary, by name of node a list of what was found and what to do about it.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.node_taints import conflicts

TIMEOUT_S = 5


class LookupModule(LookupBase):  # type: ignore[misc]
    """Asks the API once."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ARG002 - Ansible's
        """Return the conflicts."""
        self.set_options(var_options=variables, direct=kwargs)
        return [in_the_way(as_cluster(self.get_option("cluster")))]


def in_the_way(cluster: Cluster) -> dict[str, list[list[str]]]:
    """Return of each node what was found and what to do about it; nothing where no taints are wanted."""
    wanted = {name: node.taints for name, node in cluster.nodes.items() if node.taints}
    if not wanted:
        return {}
    try:
        nodes = Api(Path(cluster.state_dir) / "kubeconfig", timeout_s=TIMEOUT_S).list("v1", "Node")
    except KubeError:
        return {}
    found = {node["metadata"]["name"]: node for node in nodes}
    some = {name: conflicts(found[name], texts) for name, texts in wanted.items() if name in found}
    return {name: [list(words) for words in those] for name, those in some.items() if those}
