#!/usr/bin/python
"""Documentation of the action plugin image_build, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build an image of the workers where its sources changed
description:
  - The package's sources, the Dockerfile, the lock of its dependencies and the base image decide. An image
    that this user built from the same ones is found in the cache in milliseconds.
  - Builds with buildah, in a storage of its own. The same sources give the same image ID everywhere.
  - Where an image of later sources was deployed, the database is asked for its schema, and sources that do
    not know it are refused.
  - Runs on the controller, within Ansible, so that it says how a build goes on.
options:
  base_image:
    description:
      - The image that it stands on, an archive on the controller. Unset, the Dockerfile's own base is pulled.
    type: dict
    suboptions:
      reference:
        description: Its name, for messages.
        type: str
        required: true
      path:
        description: An OCI or docker archive.
        type: path
        required: true
      image_id:
        description: Digest of its configuration; empty where C(--check) can't know it yet.
        type: str
        required: true
  target:
    description: V(workers) has no models and is small; V(models) has what the stages with models need on top.
    type: str
    choices: [workers, models]
    default: workers
  models:
    description: Directory of models that become part of the image with models.
    type: path
  image_id:
    description:
      - ID of an image that was built before and is taken instead of building one. Its path is empty where it
        is not in the cache any more.
    type: str
    default: ""
  deployments:
    description: What each machine remembers of deployments, as M(node_images) returns it.
    type: list
    elements: list
    default: []
  database:
    description:
      - Where the database runs, as C(kubectl), the path of the program, and C(namespace). Empty asks nobody.
    type: dict
    default: {}
  log_file:
    description: What a build prints goes there; watch it with C(tail -f).
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Builds nothing; the ID is empty where there is no image yet.
author: [data-miner]
"""

EXAMPLES = r"""
- name: Build the workers' image
  image_build:
    log_file: .state/lab/image-build.log
  register: _image_built
"""

RETURN = r"""
image_id:
  description: Digest of the image's configuration, as kubelet and containerd name it.
  type: str
  returned: always
path:
  description: The image as an OCI layout.
  type: str
  returned: always
schema:
  description: >-
    The newest schema of the database that it knows; 0 for an image that was built before, of which nobody
    knows that here.
  type: int
  returned: always
changes:
  description: What was done, or would be.
  type: list
  elements: str
  returned: always
"""
