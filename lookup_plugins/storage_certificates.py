"""Lookup: the certificates that the cluster's storage runs with."""

from __future__ import annotations

DOCUMENTATION = r"""
name: storage_certificates
short_description: The certificates that the cluster's shared storage runs with
description:
  - Reads them, without their keys, from the Secrets that the cluster has. Nothing where there is no cluster.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Show the CA
  ansible.builtin.debug:
    msg: "{{ lookup('storage_certificates', cluster=cluster)['ca.crt'] }}"
"""

RETURN = r"""
_raw:
  description: One dictionary of PEM texts by the names of their files.
  type: list
  elements: dict
"""

from miner_cluster.cluster import Cluster
from miner_cluster.cluster_lookup import ClusterLookup
from miner_cluster.kube.api import Api
from miner_cluster.kube.deployed import storage_certificates


class LookupModule(ClusterLookup):
    """Asks the API."""

    def answer(self, api: Api, cluster: Cluster) -> dict[str, str]:
        """Return the certificates."""
        return storage_certificates(api, cluster.seaweedfs.namespace)
