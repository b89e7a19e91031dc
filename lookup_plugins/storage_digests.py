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

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.deployed import storage_digests

TIMEOUT_S = 5


class LookupModule(LookupBase):  # type: ignore[misc]
    """Asks the API."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:  # noqa: ARG002 - it takes none
        """Return the digests."""
        self.set_options(var_options=variables, direct=kwargs)
        cluster = as_cluster(self.get_option("cluster"))
        kubeconfig = Path(cluster.state_dir) / "kubeconfig"
        if not kubeconfig.is_file():
            return [{}]
        try:
            return [storage_digests(Api(kubeconfig, timeout_s=TIMEOUT_S), cluster.seaweedfs.namespace)]
        except KubeError as error:
            raise AnsibleLookupError(str(error)) from None
