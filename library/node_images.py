#!/usr/bin/python
"""Ansible module: the images that a node's containerd has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_images
short_description: Make a node's containerd have the given images, pinned
description:
  - Compares the images by their IDs, in one call of C(ctr). Where one is missing, nothing is done yet, and
    the result says which blobs the node lacks. M(image_spread) brings them, and O(spread=true) imports them.
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
  spread:
    description: Import what M(image_spread) brought.
    type: bool
    default: false
  problem:
    description: Why M(image_spread) could not bring what is missing; the task fails with it.
    type: str
    default: ""
  deployment:
    description:
      - What this run deploys, to be remembered as the latest deployment; also images that this node does not
        get. C(tag) names it, C(images) has the IDs by what they are for, C(schema) the newest schema of the
        database that they know (0 where nobody knows), C(under_way) the tag that was asked for.
      - The last ten are remembered, and of each other name the last one.
    type: dict
  completed:
    description:
      - Only write down that the latest deployment has come to its end, as pods with its images run.
        Until then the tag that was asked for stays beside it, as C(under_way).
    type: bool
    default: false
  directory:
    description: Where blobs that came wait for their import, and what was deployed is written down.
    type: path
    default: /var/lib/rancher/k3s/data-miner
  seen:
    description:
      - What M(node_check) has seen of the node's images. Where nothing is to be done, or under check mode,
        the node is not asked again. Known to the action plugin only.
    type: dict
  manifests:
    description: Of each wanted image its manifest's entry in an index, set by the action plugin.
    type: dict
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
  returned: unless O(completed=true)
changes:
  description: What was changed, or would be.
  type: list
  elements: str
  returned: always
missing:
  description: References of the images to import, by the name that each is to have in an archive.
  type: dict
  returned: unless O(completed=true)
lacking:
  description:
    - What the node lacks of missing images; the task is not done. C(blobs) has the sizes by digest, C(has)
      the digests of the blobs of these images that it has, C(paths) where the images lie on the controller.
  type: dict
  returned: when images are missing
deployments:
  description:
    - What was deployed on the node, the latest last, as C(at) in seconds since 1970, C(tag) and C(images);
      with C(under_way) where the run has not come to its end.
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.node_images.containerd import Containerd, CtrError
from ansible.module_utils.node_images.control import complete, converge
from ansible.module_utils.node_images.state import State


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
            "spread": {"type": "bool", "default": False},
            "problem": {"type": "str", "default": ""},
            "deployment": {"type": "dict"},
            "completed": {"type": "bool", "default": False},
            "directory": {"type": "path", "default": "/var/lib/rancher/k3s/data-miner"},
            "seen": {"type": "dict"},
            "manifests": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    state = State(module.params["directory"])
    if module.params["completed"]:
        module.exit_json(**complete(state, look_only=module.check_mode))
    wanted = {image["reference"]: image["image_id"] for image in module.params["images"]}
    containerd = Containerd(module.params["ctr"])
    try:
        result = converge(
            containerd,
            wanted,
            spares=module.params["spares"],
            state=state,
            deployment=module.params["deployment"],
            manifests=module.params["manifests"],
            look_only=module.check_mode,
        )
    except CtrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
