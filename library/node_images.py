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
  description: References that have to be imported.
  type: list
  elements: str
  returned: always
blobs:
  description: Digests of the blobs that the node has.
  type: list
  elements: str
  returned: when images are missing
"""

import re
import subprocess
import time
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

PINNED = "io.cri-containerd.pinned"
#: on images of ours: when they came, in seconds since 1970
IMPORTED = "data-miner.imported"
#: how long containerd's CRI plugin may take to notice an image
SETTLE_S = 10.0
_ROW = re.compile(r"^(?P<ref>\S+)\s+\S+\s+(?P<digest>sha256:[0-9a-f]{64})\s.*?(?P<labels>\S+)\s*$")


class CtrError(Exception):
    """A command failed; the text says which and why."""


@dataclass(frozen=True)
class Image:
    """One reference that containerd has."""

    image_id: str
    labels: dict[str, str]


@dataclass
class Plan:
    """What to do, in this order."""

    #: copies of references that are about to move to another image: (old name, new name)
    keep: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    pin: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)

    def sentences(self, wanted: dict[str, str]) -> list[str]:
        """Return the plan in words."""
        return [
            *(f"keep the image of {old} as {new}" for old, new in self.keep),
            *(f"import {ref} {wanted[ref] or '(not built yet)'}" for ref in self.missing),
            *(f"pin {ref}" for ref in self.pin if ref not in self.missing),
            *(f"remove {ref}" for ref in self.remove),
        ]


def parse_images(listing: str) -> dict[str, Image]:
    """Read what ``ctr images ls`` prints.

    It shows digests of manifests. The CRI plugin makes a second entry for each image, named by the image's
    ID, with the same digest: that is how the ID is known. Both are returned.
    """
    rows = [found for line in listing.splitlines() if (found := _ROW.match(line))]
    ids = {row["digest"]: row["ref"] for row in rows if row["ref"].startswith("sha256:")}
    return {
        row["ref"]: Image(image_id=ids.get(row["digest"], ""), labels=_labels(row["labels"])) for row in rows
    }


def plan(current: dict[str, Image], wanted: dict[str, str], *, spares: int) -> Plan:
    """Return what makes the node have the wanted images.

    Args:
        current: what it has, by full reference.
        wanted: the IDs by full reference; an empty one is not known yet.
        spares: how many replaced images of each repository stay.
    """
    missing = [ref for ref, image_id in wanted.items() if not image_id or _id(current, ref) != image_id]
    pin = [ref for ref in wanted if ref in missing or not _pinned(current[ref])]
    ours = {ref: image for ref, image in current.items() if IMPORTED in image.labels}
    moving = [ref for ref in missing if spares and wanted[ref] and ref in ours]
    keep = [(ref, spare_name(ref, current[ref].image_id)) for ref in moving]
    others = {ref: image for ref, image in ours.items() if ref not in wanted}
    others |= {spare: current[ref] for ref, spare in keep}
    remove = superfluous(others, set(wanted.values()), spares)
    used = {*wanted.values(), *(image.image_id for ref, image in others.items() if ref not in remove)}
    used |= {image.image_id for ref, image in current.items() if ref not in ours and ref != image.image_id}
    unnamed = {others[ref].image_id for ref in remove} - used
    return Plan(keep=keep, missing=missing, pin=pin, remove=[*remove, *sorted(unnamed & set(current))])


def superfluous(images: dict[str, Image], wanted_ids: set[str], spares: int) -> list[str]:
    """Return which images to remove: those that are wanted under another name, and the oldest."""
    newest = sorted(images, key=lambda ref: (int(images[ref].labels[IMPORTED]), ref), reverse=True)
    kept: list[str] = []
    for ref in newest:
        same = [repository(other) for other in kept].count(repository(ref))
        if same < spares and images[ref].image_id not in wanted_ids:
            kept.append(ref)
    return sorted(set(images) - set(kept))


def spare_name(reference: str, image_id: str) -> str:
    """Return the name under which a replaced image stays."""
    return f"{repository(reference)}:replaced-{image_id.removeprefix('sha256:')[:12]}"


def repository(reference: str) -> str:
    """Return a full reference without its tag."""
    return reference.rpartition(":")[0]


class Containerd:
    """containerd, through ``ctr``."""

    def __init__(self, command: list[str]) -> None:
        self._command = [*command, "--namespace", "k8s.io"]

    def __call__(self, *arguments: str) -> str:
        """Run one command and return what it prints.

        Raises:
            CtrError: it can't be run or fails.
        """
        argv = [*self._command, *arguments]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        except OSError as error:
            raise CtrError(f"{argv[0]}: {error.strerror}") from error
        if done.returncode:
            raise CtrError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def images(self) -> dict[str, Image]:
        """Return what it has, by reference."""
        return parse_images(self("images", "ls"))

    def blobs(self) -> list[str]:
        """Return the digests of all blobs."""
        return self("content", "ls", "--quiet").split()

    def apply(self, steps: Plan, archive: str | None, now: int) -> None:
        """Carry out a plan."""
        for old, new in steps.keep:
            self("images", "tag", "--force", old, new)
            self("images", "label", new, f"{PINNED}=pinned", f"{IMPORTED}={now}")
        if archive:
            self("images", "import", archive)
        for ref in steps.pin:
            self("images", "label", ref, f"{PINNED}=pinned", f"{IMPORTED}={now}")
        if steps.remove:
            self("images", "rm", *steps.remove)

    def settle(self, wanted: dict[str, str]) -> dict[str, Image]:
        """Return what it has, once the CRI plugin knows the wanted images or has had the time to."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            found = self.images()
            if all(_id(found, ref) for ref in wanted) or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


def _labels(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _text(images: dict[str, Image], wanted: dict[str, str]) -> str:
    """Return what --diff shows: the wanted images and those of ours, one a line."""
    shown = {ref for ref, image in images.items() if ref in wanted or IMPORTED in image.labels}
    return "".join(f"{ref} {images[ref].image_id}\n" for ref in sorted(shown))


def _wanted_text(images: dict[str, Image], wanted: dict[str, str], steps: Plan) -> str:
    """Return the same as it will be."""
    ids = {ref: image.image_id for ref, image in images.items() if IMPORTED in image.labels}
    ids |= {new: _id(images, old) for old, new in steps.keep} | wanted
    return "".join(f"{ref} {ids[ref]}\n" for ref in sorted(ids) if ref not in steps.remove)


def _id(images: dict[str, Image], reference: str) -> str:
    return images[reference].image_id if reference in images else ""


def _pinned(image: Image | None) -> bool:
    return image is not None and PINNED in image.labels and IMPORTED in image.labels


def converge(
    containerd: Containerd, wanted: dict[str, str], *, spares: int, archive: str | None, look_only: bool
) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        CtrError: containerd does not answer, refuses, or has other images than the wanted ones in the end.
    """
    try:
        before = containerd.images()
    except CtrError:
        if wanted and not look_only:
            raise
        before = {}  # a bare machine has nothing to remove, and under --check it lacks everything
    steps = plan(before, wanted, spares=spares)
    result = {
        "changed": bool(steps.sentences(wanted)),
        "changes": steps.sentences(wanted),
        "missing": steps.missing,
        "image_ids": {ref: image_id or _id(before, ref) for ref, image_id in wanted.items()},
        "diff": {"before": _text(before, wanted), "after": _wanted_text(before, wanted, steps)},
    }
    if look_only or not result["changed"]:
        return result
    if steps.missing and not archive:
        return result | {"changed": False, "blobs": containerd.blobs()}
    containerd.apply(steps, archive, int(time.time()))
    after = containerd.settle(wanted)
    wrong = [
        f"{ref} is {_id(after, ref) or 'not there'} instead of {image_id}"
        for ref, image_id in wanted.items()
        if _id(after, ref) != image_id
    ]
    if wrong:
        raise CtrError(f"after the import {'; '.join(wrong)}")
    return result


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
        module.fail_json(msg=f"{error}; is k3s running here? If not, run site.yml --tags k3s")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
