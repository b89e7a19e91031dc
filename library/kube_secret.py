#!/usr/bin/python
"""Ansible module: Secrets of a namespace."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_secret
short_description: Make Secrets hold the given values
description:
  - Compares each Secret with what it should hold and applies it where it differs, all in one process. Values
    appear in no output; the names of those that changed do. Secrets that are not given are left alone.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  namespace:
    description: Where they are.
    type: str
    required: true
  instance:
    description: Name of the cluster, for the label C(app.kubernetes.io/instance).
    type: str
    required: true
  values:
    description: Of each Secret its keys and texts; a Secret of ours without any is removed.
    type: dict
    required: true
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Apply the Secrets
  kube_secret:
    kubeconfig: .state/lab/kubeconfig
    namespace: data-miner
    instance: lab
    values: {hf-token: {HF_TOKEN: "{{ token }}"}}
"""

RETURN = r"""
applied:
  description: Names of the Secrets that were made, changed or removed.
  type: list
  elements: str
  returned: always
replaced:
  description: Names of those among them that were there and held something else.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from miner_cluster.kube.api import Api
from miner_cluster.kube.secrets import apply_secret, remove_secret, wanted_secret

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "namespace": {"type": "str", "required": True},
    "instance": {"type": "str", "required": True},
    "values": {"type": "dict", "required": True, "no_log": True},
}


def ensure(params: dict[str, Any], *, check: bool) -> dict[str, str]:
    """Apply what differs and remove what is to hold nothing; return by name what was done.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    api = Api(Path(params["kubeconfig"]))
    namespace = params["namespace"]
    done = {}
    for name, values in sorted(params["values"].items()):
        if values:
            wanted = wanted_secret(name, namespace, params["instance"], values)
            done[name] = apply_secret(api, wanted, check=check)
        elif remove_secret(api, namespace, name, check=check):
            done[name] = "removed"
    return {name: what for name, what in done.items() if what}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns."""
    done = ensure(params, check=check)
    replaced = [name for name, what in done.items() if what == "replaced"]
    return {"changed": bool(done), "applied": list(done), "replaced": replaced}
