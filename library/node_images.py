#!/usr/bin/python
"""Ansible module: the images that a node's containerd has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_images
short_description: Make a node's containerd have the given images, pinned
description:
  - Compares the images by their IDs, in one call of C(ctr). Where one is missing, the action plugin of the
    same name sends an archive with the blobs that the node lacks; the module imports it.
  - Imported images are pinned, so that the kubelet never removes them to free space. Of each repository the
    image that was replaced last stays for a way back; older ones of ours are removed.
  - Fails where the IDs are not the wanted ones in the end.
options:
  images:
    description: The wanted images.
    type: list
    elements: dict
    required: true
    suboptions:
      reference:
        description: As a pod names it.
        type: str
        required: true
      image_id:
        description: Digest of the image's configuration; empty where C(--check) can't know it yet.
        type: str
        default: ""
      path:
        description: OCI layout or archive on the controller. The module itself does not need it.
        type: path
  ctr:
    description: The command that speaks to containerd.
    type: list
    elements: str
    default: [/usr/local/bin/k3s, ctr]
  spares:
    description: How many replaced images of each repository stay.
    type: int
    default: 1
  archive:
    description: An archive on the node to import, set by the action plugin.
    type: path
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Bring the images to the nodes
  node_images:
    images: [{reference: "data-miner:lab", image_id: "sha256:…", path: /home/me/.cache/…}]
"""

RETURN = r"""
image_ids:
  description: Of each wanted reference the wanted ID, else the one that the node has, else nothing.
  type: dict
  returned: always
changes:
  description: What was changed, or would be.
  type: list
  elements: str
  returned: always
missing:
  description: References of the images to import, by the name that each is to have in an archive.
  type: dict
  returned: always
blobs:
  description: Digests of the blobs that the node has. The task is not done; it needs C(archive).
  type: list
  elements: str
  returned: when images are missing
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.node_images import Containerd, CtrError, converge


def main() -> None:
    """Run as an Ansible module."""
    image = {
        "reference": {"type": "str", "required": True},
        "image_id": {"type": "str", "default": ""},
        "path": {"type": "path"},
    }
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "dict", "required": True, "options": image},
            "ctr": {"type": "list", "elements": "str", "default": ["/usr/local/bin/k3s", "ctr"]},
            "spares": {"type": "int", "default": 1},
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    wanted = {image["reference"]: image["image_id"] for image in module.params["images"]}
    containerd = Containerd(module.params["ctr"])
    try:
        result = converge(
            containerd,
            wanted,
            spares=module.params["spares"],
            archive=module.params["archive"],
            look_only=module.check_mode,
        )
    except CtrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
