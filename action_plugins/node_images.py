"""Action plugin of the module node_images: knows the images that lie on the controller."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.images.layout import OciImage, all_blobs, read_image
from miner_cluster.images.names import normalise
from module_utils.node_images.control import compare
from module_utils.node_images.plan import Image


class ActionModule(ActionBase):  # type: ignore[misc]
    """One round trip, whatever is missing; none where preflight has seen that nothing is."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns, and what the machine lacks."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = dict(self._task.args)
        if options.get("problem"):
            raise AnsibleActionFail(options["problem"])
        images = {normalise(image["reference"]): image for image in options.get("images", [])}
        if options.get("spread"):
            options["manifests"] = {full: image.manifest for full, image in _read(images.values()).items()}
        wanted = {full: image.get("image_id", "") for full, image in images.items()}
        options["images"] = [{"reference": full, "image_id": image_id} for full, image_id in wanted.items()]
        found = self._found(options, wanted) or self._execute_module(
            module_name="node_images", module_args=options, task_vars=task_vars
        )
        if "blobs" in found:
            missing = [images[full] for full in found["missing"].values()]
            found["lacking"] = _lacking(_read(missing), set(found.pop("blobs")))
        if "image_ids" in found:
            written = {full: image["reference"] for full, image in images.items()}
            found["image_ids"] = {written[full]: value for full, value in found["image_ids"].items()}
        return result | found

    def _found(self, options: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any] | None:
        """Return what the module would, where what was seen of the machine tells that."""
        seen = options.pop("seen", None)
        if not seen or options.get("spread"):
            return None
        images = {
            ref: Image(image["image_id"], dict(image["labels"])) for ref, image in seen["images"].items()
        }
        deployment, spares = options.get("deployment"), int(options.get("spares", 1))
        _, _, found = compare(images, seen["deployments"], wanted, spares=spares, deployment=deployment)
        return found if self._task.check_mode or not found["changed"] else None


def _lacking(images: dict[str, OciImage], present: set[str]) -> dict[str, Any]:
    """Return what the module's documentation says."""
    blobs = all_blobs(images.values())
    return {
        "blobs": {digest: size for digest, size in blobs.items() if digest not in present},
        "has": [digest for digest in blobs if digest in present],
        "paths": sorted({str(image.path) for image in images.values()}),
    }


def _read(images: Iterable[dict[str, str]]) -> dict[str, OciImage]:
    """Return images that lie on the controller, by their full references."""
    found = {}
    for image in images:
        if not image.get("path"):
            raise AnsibleActionFail(
                f"{image['reference']} {image.get('image_id', '')} is neither on this machine nor in the "
                "controller's cache any more; check out the sources of it, and run playbooks/image.yml"
            )
        try:
            found[normalise(image["reference"])] = read_image(Path(image["path"]))
        except ArtifactError as error:
            raise AnsibleActionFail(str(error)) from None
    return found
