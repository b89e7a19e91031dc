"""Lookup: what stands between this controller and a cluster, in one sentence."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kube_problem
short_description: Say why the cluster of a kubeconfig can't be used
description:
  - Returns an empty string when the API server answers as ready, else one sentence that names what is missing
    and the command to run first. For C(assert) before the first task that needs the API.
options:
  _terms:
    description: Path of the kubeconfig.
    required: true
author: [data-miner]
"""

EXAMPLES = r"""
- name: Assert that there is a cluster
  ansible.builtin.assert:
    that: lookup('kube_problem', kubeconfig) == ''
    fail_msg: "{{ lookup('kube_problem', kubeconfig) }}"
"""

RETURN = r"""
_raw:
  description: The sentence, or an empty string.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

from miner_cluster.kube.api import Api, ApiError, KubeError

TIMEOUT_S = 5


class LookupModule(LookupBase):  # type: ignore[misc]
    """One sentence per kubeconfig."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return what is wrong with each cluster; '' where nothing is."""
        self.set_options(var_options=variables, direct=kwargs)
        return [problem(Path(term)) for term in terms]


def problem(kubeconfig: Path) -> str:
    """Say why the API can't be used; '' when it can."""
    try:
        Api(kubeconfig, timeout_s=TIMEOUT_S).raw("GET", "/readyz")
    except ApiError as error:
        return f"The API server of {kubeconfig} is not ready ({error}); see `journalctl -u k3s` on the server"
    except KubeError as error:
        return str(error)
    return ""
