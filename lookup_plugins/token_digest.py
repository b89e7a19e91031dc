"""Lookup: what changes with the workers' token."""

from __future__ import annotations

DOCUMENTATION = r"""
name: token_digest
short_description: A digest of the HF_TOKEN that workers get
description:
  - Returns a digest of the token in the environment or C(.env), else of the one that the cluster has; an
    empty string where there is none, or where no worker asks for it. The token can't be told from it.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Render the workers
  ansible.builtin.debug:
    msg: "{{ lookup('manifests', 'workers', cluster=cluster, token_digest=digest) }}"
  vars:
    digest: "{{ lookup('token_digest', cluster=cluster) }}"
"""

RETURN = r"""
_raw:
  description: The digest.
  type: list
  elements: str
"""

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from data_miner.errors import MinerError
from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.env_file import secret
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.deployed import deployed_token, token_digest
from miner_cluster.manifest_item import TOKEN_KEY

TIMEOUT_S = 5


class LookupModule(LookupBase):  # type: ignore[misc]
    """One digest."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:  # noqa: ARG002 - it takes none
        """Return the digest; '' for none."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [digest(as_cluster(self.get_option("cluster")))]
        except (KubeError, MinerError) as error:
            raise AnsibleLookupError(str(error)) from None


def digest(cluster: Cluster) -> str:
    """Return the digest of the token that this run would leave in the cluster.

    Raises:
        KubeError: the API does not answer.
        MinerError: .env can't be read.
    """
    if not any(worker.hf_token for worker in cluster.workers.values()):
        return ""
    return token_digest(_token(cluster), cluster.name)


def _token(cluster: Cluster) -> str:
    if token := secret(TOKEN_KEY, os.environ):
        return token
    kubeconfig = Path(cluster.state_dir) / "kubeconfig"
    if not kubeconfig.is_file():
        return ""
    return deployed_token(Api(kubeconfig, timeout_s=TIMEOUT_S), cluster.namespace)
