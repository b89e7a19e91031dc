"""Lookup: the keys and certificates that the cluster's storage runs with."""

from __future__ import annotations

DOCUMENTATION = r"""
name: storage_digests
short_description: Of each Secret of the shared storage what changes with it
description:
  - Reads the Secrets with keys and certificates that the cluster has. Pods carry the digest of theirs, so
    that they roll when it changes; no key can be told from it. Nothing where there is no cluster yet.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Render the storage
  ansible.builtin.debug:
    msg: "{{ lookup('manifests', 'seaweedfs', cluster=cluster, storage_digests=digests) }}"
  vars:
    digests: "{{ lookup('storage_digests', cluster=cluster) }}"
"""

RETURN = r"""
_raw:
  description: One dictionary of digests by the Secret's name.
  type: list
  elements: dict
"""

from miner_cluster.cluster import Cluster
from miner_cluster.cluster_lookup import ClusterLookup
from miner_cluster.kube.api import Api
from miner_cluster.kube.deployed import storage_digests


class LookupModule(ClusterLookup):
    """Asks the API."""

    def answer(self, api: Api, cluster: Cluster) -> dict[str, str]:
        """Return the digests."""
        return storage_digests(api, cluster.seaweedfs.namespace)
