"""Lookup: the versions of k3s that a cluster runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: k3s_versions
short_description: Of each node of the cluster, the version of k3s that it runs
description:
  - Asks the API with the controller's own access. Where there is none yet, or nobody answers, nothing is
    known.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Say who runs what
  ansible.builtin.debug:
    msg: "{{ lookup('k3s_versions', cluster=cluster) }}"
"""

RETURN = r"""
_raw:
  description: One dictionary of versions by name of node.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.upgrade import version

TIMEOUT_S = 5


class LookupModule(LookupBase):  # type: ignore[misc]
    """Asks the API once."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:  # noqa: ARG002 - Ansible's
        """Return the versions."""
        self.set_options(var_options=variables, direct=kwargs)
        kubeconfig = Path(as_cluster(self.get_option("cluster")).state_dir) / "kubeconfig"
        try:
            nodes = Api(kubeconfig, timeout_s=TIMEOUT_S).list("v1", "Node")
        except KubeError:
            return [{}]
        return [{node["metadata"]["name"]: version(node) for node in nodes}]
