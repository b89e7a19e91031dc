"""Action plugin of the module node_images: sends a node the blobs that it lacks, then lets it import them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from miner_cluster.artifacts.progress import Progress, megabytes
from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.artifacts.store import cache_root
from miner_cluster.images.archive import missing_blobs, write_archive
from miner_cluster.images.layout import OciImage, read_image
from miner_cluster.images.names import normalise

_MODULE = "node_images"
#: of what is about to be sent: followed by the process's id
_PREFIX = "sending-"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Looks first: a node that has everything costs one round trip."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns, and ``sent_bytes`` where an archive was sent."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        images = {normalise(image["reference"]): image for image in self._task.args.get("images", [])}
        wanted = [
            {"reference": full, "image_id": image.get("image_id", "")} for full, image in images.items()
        ]
        found = self._module({"images": wanted}, task_vars)
        if "blobs" in found:
            paths = {name: images[full].get("path", "") for name, full in found["missing"].items()}
            found = self._send(paths, found["blobs"], wanted, task_vars)
        if "image_ids" in found:
            written = {full: image["reference"] for full, image in images.items()}
            found["image_ids"] = {written[full]: value for full, value in found["image_ids"].items()}
        return result | found

    def _send(
        self,
        paths: dict[str, str],
        present: list[str],
        wanted: list[dict[str, str]],
        task_vars: dict[str, Any] | None,
    ) -> dict[str, Any]:
        images = _read(paths)
        blobs = missing_blobs(images, present)
        size = sum(blobs.values())
        node = (task_vars or {}).get("inventory_hostname", "")
        progress = Progress(Display().display, interval_s=5.0)
        progress.say(f"{node}: sending {megabytes(size)} in {len(blobs)} blobs for {', '.join(images)}")
        _sweep(cache_root())
        directory = self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(directory, "images.tar")
            with (
                progress.during(node, "sending images"),
                tempfile.NamedTemporaryFile(dir=cache_root(), prefix=f"{_PREFIX}{os.getpid()}-") as local,
            ):
                write_archive(Path(local.name), images, present)
                self._transfer_file(local.name, remote)
            self._fixup_perms2((directory, remote))
            with progress.during(node, "importing images"):
                return self._module({"images": wanted, "archive": remote}, task_vars) | {"sent_bytes": size}
        finally:
            self._remove_tmp_path(directory)

    def _module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name=_MODULE, module_args=dict(self._task.args) | arguments, task_vars=task_vars
        )
        return result


def _sweep(directory: Path) -> None:
    """Remove what a killed run was about to send."""
    for path in directory.glob(f"{_PREFIX}*"):
        if not Path("/proc", path.name.split("-")[1]).exists():
            path.unlink(missing_ok=True)


def _read(paths: dict[str, str]) -> dict[str, OciImage]:
    try:
        return {reference: read_image(Path(path)) for reference, path in paths.items()}
    except ArtifactError as error:
        raise AnsibleActionFail(str(error)) from None
