"""Lookup: whether the images to run bring the database's schema that those which run have."""

from __future__ import annotations

DOCUMENTATION = r"""
name: schema_kept
short_description: Whether new images of the workers leave the database's schema as it is
description:
  - The workers can be rolled then without waiting for the Job that brings the schema up to date, which has
    nothing to do.
  - False wherever that is not known for sure, as for an image that this controller did not build, or does not
    keep any more.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
  images:
    description: Of each image reference the ID that is to run.
    type: dict
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Say whether the schema stays
  ansible.builtin.debug:
    msg: "{{ lookup('schema_kept', cluster=cluster, images=image_ids) }}"
"""

RETURN = r"""
_raw:
  description: One boolean.
  type: list
  elements: bool
"""

from typing import Any, ClassVar

from miner_cluster.cluster import Cluster
from miner_cluster.cluster_lookup import ClusterLookup
from miner_cluster.images.cache import schema_of
from miner_cluster.kube.api import Api
from miner_cluster.kube.schema_kept import schema_kept


class LookupModule(ClusterLookup):
    """Asks the API and the cache."""

    nothing: ClassVar[Any] = False

    def answer(self, api: Api, cluster: Cluster) -> bool:
        """Return whether it stays."""
        return schema_kept(api, cluster, dict(self.get_option("images")), schema_of)
