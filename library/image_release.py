#!/usr/bin/python
"""Ansible module: what was deployed before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_release
short_description: Find the deployment of images that a tag means
description:
  - C(previous) is the one before the latest that came to its end, C(id-) with six or more digits of an ID
    the one that had this image. Any other name that was deployed before means what it meant then. A new
    name, and O(moving_tag), mean what the sources make.
  - Runs on the controller.
options:
  tag:
    description: What is wanted.
    type: str
    required: true
  moving_tag:
    description: The tag that always means what the sources make.
    type: str
    required: true
  deployments:
    description: What M(node_images) of each machine returned as C(deployments).
    type: list
    elements: list
    required: true
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Find the deployment before
  image_release:
    tag: previous
    moving_tag: lab
    deployments: "{{ ansible_play_hosts | map('extract', hostvars, ['_image_past', 'deployments']) }}"
"""

RETURN = r"""
tag:
  description: What the deployment is called.
  type: str
  returned: always
asked:
  description: The tag that was asked for.
  type: str
  returned: always
images:
  description: IDs by what they are for, C(workers) and C(models); empty is what the sources make.
  type: dict
  returned: always
"""

from typing import Any

from miner_cluster.images.releases import choose

ARGUMENTS: dict[str, Any] = {
    "tag": {"type": "str", "required": True},
    "moving_tag": {"type": "str", "required": True},
    "deployments": {"type": "list", "elements": "list", "required": True},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        ReleaseError: nothing is meant by the tag.
    """
    del check
    found = choose(params["deployments"], params["tag"], moving_tag=params["moving_tag"])
    return {
        "changed": False,
        "tag": found["tag"] if found else params["tag"],
        "asked": params["tag"],
        "images": found["images"] if found else {},
    }
