"""Lookup: the images that the cluster runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployed_images
short_description: The ID of each image that the cluster's workloads run
description:
  - Returns what the pod templates of our workloads say, so that manifests which are rendered without a look
    at the machines are the ones that run. Nothing where there is no cluster yet.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Render what runs
  ansible.builtin.debug:
    msg: "{{ lookup('manifests', cluster=cluster, images=lookup('deployed_images', cluster=cluster)) }}"
"""

RETURN = r"""
_raw:
  description: One dictionary of IDs by image reference.
  type: list
  elements: dict
"""

from miner_cluster.cluster import Cluster
from miner_cluster.cluster_lookup import ClusterLookup
from miner_cluster.kube.api import Api
from miner_cluster.kube.deployed import deployed_images


class LookupModule(ClusterLookup):
    """Asks the API."""

    def answer(self, api: Api, cluster: Cluster) -> dict[str, str]:
        """Return the IDs."""
        return deployed_images(api, cluster)
