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

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.deployed import deployed_images

TIMEOUT_S = 5


class LookupModule(LookupBase):  # type: ignore[misc]
    """Asks the API."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:  # noqa: ARG002 - it takes none
        """Return the IDs."""
        self.set_options(var_options=variables, direct=kwargs)
        cluster = as_cluster(self.get_option("cluster"))
        kubeconfig = Path(cluster.state_dir) / "kubeconfig"
        if not kubeconfig.is_file():
            return [{}]
        try:
            return [deployed_images(Api(kubeconfig, timeout_s=TIMEOUT_S), cluster)]
        except KubeError as error:
            raise AnsibleLookupError(str(error)) from None
