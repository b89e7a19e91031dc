#!/usr/bin/python
"""Ansible module: the application's configuration for a cluster, checked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: miner_config
short_description: Check the application's configuration for a cluster, and say what it holds
description:
  - Merges the application's defaults, the run config and C(k3s_app_overrides), and checks the result with the
    application's own model and with what the cluster can do.
  - Fails with the file and line of every value that can't be used. Changes nothing.
extends_documentation_fragment: [cluster]
options:
  explain:
    description: A key whose origins are wanted, such as C(output_dir) or C(cluster.nodes).
    type: str
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Check what the miner is asked to do
  miner_config:
    cluster: "{{ cluster }}"
  register: _preflight_miner
"""

RETURN = r"""
project:
  description: Name of the project.
  type: str
  returned: always
gives_frames:
  description: Whether the project asks for videos and takes frames out of them.
  type: bool
  returned: always
output_dir:
  description: Where videos and frames go.
  type: str
  returned: always
worker_uid:
  description: Number of the user that the workers run as, who must be able to write to output_dir.
  type: int
  returned: always
stages:
  description: The selected stages of the pipeline.
  type: list
  elements: str
  returned: always
hf_token_for:
  description: The models by stage that need HF_TOKEN; empty where none does.
  type: dict
  returned: always
requests:
  description: What the pods request in all, C(cpu) in thousandths of a core and C(memory) in bytes.
  type: dict
  returned: always
explanation:
  description: Lines that say which file and line set the key and each one below it.
  type: list
  elements: str
  returned: with explain
"""

from typing import Any

from miner_cluster.app_config import as_variables, load_miner_config
from miner_cluster.cluster import as_cluster
from miner_cluster.explain import explain
from miner_cluster.manifest_item import WORKER_UID
from miner_cluster.manifests import plan
from miner_cluster.rendering import require_templates
from miner_cluster.requests import total_requests

ARGUMENTS: dict[str, Any] = {"cluster": {"type": "dict", "required": True}, "explain": {"type": "str"}}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - nothing is changed
    """Return what the module returns.

    Raises:
        MinerError: the configuration can't be used, or nothing sets the key.
    """
    cluster, key = as_cluster(params["cluster"]), params["explain"]
    config = load_miner_config(cluster)
    require_templates(plan(cluster, config, {}), cluster.config_file)
    result = {"changed": False} | as_variables(cluster, config)
    result |= {"worker_uid": WORKER_UID, "requests": total_requests(cluster)}
    return result | {"explanation": explain(cluster, config, key)} if key else result
