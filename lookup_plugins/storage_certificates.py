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

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.deployed import storage_certificates

TIMEOUT_S = 5


class LookupModule(LookupBase):  # type: ignore[misc]
    """Asks the API."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:  # noqa: ARG002 - it takes none
        """Return the certificates."""
        self.set_options(var_options=variables, direct=kwargs)
        cluster = as_cluster(self.get_option("cluster"))
        kubeconfig = Path(cluster.state_dir) / "kubeconfig"
        if not kubeconfig.is_file():
            return [{}]
        try:
            return [storage_certificates(Api(kubeconfig, timeout_s=TIMEOUT_S), cluster.seaweedfs.namespace)]
        except KubeError as error:
            raise AnsibleLookupError(str(error)) from None
