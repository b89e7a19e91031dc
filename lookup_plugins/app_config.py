"""Lookup plugin: what playbooks need to know of the application's merged configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
name: app_config
short_description: What the application of a cluster is configured with
description:
  - Merges the application's defaults, the run config and C(k3s_app_overrides), and checks the result with the
    application's own model.
  - Fails with the file and line of every value that can't be used.
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
  explain:
    description: A key whose origins are wanted instead, such as C(output_dir) or C(cluster.nodes).
    type: str
author: [data-miner]
"""

EXAMPLES = r"""
- name: Show where the frames go
  ansible.builtin.debug:
    msg: "{{ lookup('app_config', cluster=cluster).output_dir }}"
"""

RETURN = r"""
_list:
  description:
    - One dictionary with C(project), C(output_dir), C(stages), C(digest), and C(hf_token_for), the models by stage
      that need a token.
    - With C(explain), lines that say which file and line set a value.
  type: list
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from data_miner.errors import MinerError
from miner_cluster.app_config import as_variables, load_miner_config
from miner_cluster.cluster import as_cluster
from miner_cluster.explain import explain


class LookupModule(LookupBase):  # type: ignore[misc]
    """Hands the configuration to Ansible."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[Any]:  # noqa: ARG002
        """Return the values, or the origins of one."""
        self.set_options(var_options=variables, direct=kwargs)
        cluster = as_cluster(self.get_option("cluster"))
        key = self.get_option("explain")
        try:
            config = load_miner_config(cluster)
            return explain(cluster, config, str(key)) if key else [as_variables(cluster, config)]
        except MinerError as error:
            raise AnsibleLookupError(str(error)) from error
