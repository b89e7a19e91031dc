#!/usr/bin/python
"""Ansible module: objects that must not exist."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_absent
short_description: Delete objects of ours and wait until they and their pods are gone
description:
  - Deletes each object, and waits until it is gone with everything it owns or contains. Nothing to do when it
    does not exist. Objects without our labels are refused.
options:
  kubeconfig:
    description: Path of the kubeconfig on the controller.
    type: path
    required: true
  objects:
    description: The objects, with C(apiVersion), C(kind) and C(metadata).
    type: list
    elements: dict
    required: true
  wait_s:
    description: Seconds to wait for all of them together.
    type: int
    default: 180
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Remove the application
  kube_absent:
    kubeconfig: .state/lab/kubeconfig
    objects: [{apiVersion: v1, kind: Namespace, metadata: {name: data-miner}}]
"""

RETURN = r"""
removed:
  description: Titles of the objects that were there.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from miner_cluster.kube.absent import present, refuse_foreign, remove
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.prune import title

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "objects": {"type": "list", "elements": "dict", "required": True},
    "wait_s": {"type": "int", "default": 180},
}


def ensure(params: dict[str, Any], *, check: bool) -> list[str]:
    """Delete what is there; return the titles of it.

    Raises:
        KubeError: the API refuses or does not answer, or something does not go.
    """
    api = Api(Path(params["kubeconfig"]))
    found = present(api, params["objects"])
    refuse_foreign(found)
    if not check:
        remove(api, found, timeout_s=params["wait_s"])
    return [title(obj) for obj in found]


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        removed = ensure(module.params, check=module.check_mode)
    except KubeError as error:
        module.fail_json(msg=str(error))
    diff = {"before": "".join(f"{name}\n" for name in removed), "after": ""}
    module.exit_json(changed=bool(removed), removed=removed, diff=diff)


if __name__ == "__main__":
    main()
