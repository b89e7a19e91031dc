#!/usr/bin/python
"""Ansible module: what was deployed before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_release
short_description: Find the deployment of images that a tag means, or name a new one
description:
  - C(previous) is the one before the latest that came to its end, C(id-) with six or more digits of an ID
    the one that had this image. Any other name means what it meant when it was deployed, and
    O(moving_tag) what the sources make. Names that were never deployed are refused.
  - Where a later image was deployed, the database is asked for its schema, and an image that does not know
    it is refused.
  - Runs on the controller.
options:
  tag:
    description: What is wanted. One of this and O(name) is given.
    type: str
    default: ""
  name:
    description: A name for what the sources make, a new one or that of the latest deployment.
    type: str
    default: ""
  moving_tag:
    description: The tag that always means what the sources make.
    type: str
    required: true
  deployments:
    description: What M(node_images) of each machine returned as C(deployments).
    type: list
    elements: list
    required: true
  database:
    description:
      - Where the database runs, as C(kubectl), the path of the program, and C(namespace). Empty asks nobody.
    type: dict
    default: {}
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
  description: The tag or name that was asked for.
  type: str
  returned: always
images:
  description: IDs by what they are for, C(workers) and C(models); empty is what the sources make.
  type: dict
  returned: always
schema:
  description: The newest schema of the database that these images know; 0 where nobody wrote that down.
  type: int
  returned: always
"""

from typing import Any

from miner_cluster.images.releases import ReleaseError, assert_new, choose
from miner_cluster.images.schemas import asked_of, refuse_older

ARGUMENTS: dict[str, Any] = {
    "tag": {"type": "str", "default": ""},
    "name": {"type": "str", "default": ""},
    "moving_tag": {"type": "str", "required": True},
    "deployments": {"type": "list", "elements": "list", "required": True},
    "database": {"type": "dict", "default": {}},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        ReleaseError: nothing is meant by the tag, or something else by the name.
    """
    del check
    tag, name = params["tag"], params["name"]
    if bool(tag) == bool(name):
        raise ReleaseError(
            "give either image_tag, which finds a deployment, or image_name, which names a new one"
        )
    if name:
        assert_new(params["deployments"], name)
        return {"changed": False, "tag": name, "asked": name, "images": {}, "schema": 0}
    found = choose(params["deployments"], tag, moving_tag=params["moving_tag"])
    schema = found["schema"] if found else 0
    if params["database"]:
        refuse_older(
            schema,
            params["deployments"],
            asked_of(**params["database"]),
            remedy="Deploy an image that knows it",
        )
    return {
        "changed": False,
        "tag": found["tag"] if found else tag,
        "asked": tag,
        "images": found["images"] if found else {},
        "schema": schema,
    }
