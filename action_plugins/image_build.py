"""Action plugin image_build, documented in library: the workers' image in the controller's cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from data_miner.db.migrate import migrations
from data_miner.errors import MinerError
from miner_cluster.images import cache
from miner_cluster.images.buildah import BaseImage
from miner_cluster.images.schemas import asked_of, refuse_older
from miner_cluster.images.sources import LOCKS, Target

_WORDS: dict[Target, str] = {"workers": "the workers' image", "models": "the workers' image with models"}
CHECKOUT = Path(__file__).resolve().parent.parent
_BASE = {
    "reference": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "image_id": {"type": "str", "required": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Works in Ansible's own process: nothing is started where nothing is to do."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the documentation says."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            {
                "base_image": {"type": "dict", "options": _BASE},
                "target": {"type": "str", "choices": list(LOCKS), "default": "workers"},
                "models": {"type": "path"},
                "image_id": {"type": "str", "default": ""},
                "deployments": {"type": "list", "elements": "list", "default": []},
                "database": {"type": "dict", "default": {}},
                "log_file": {"type": "path", "required": True},
            }
        )
        try:
            return result | _converge(options, look_only=self._task.check_mode)
        except MinerError as error:
            raise AnsibleActionFail(f"{error}\n{options['log_file']} has all that was said.") from None


def _converge(options: dict[str, Any], *, look_only: bool) -> dict[str, Any]:
    if options["image_id"]:
        path = cache.with_id(options["image_id"])
        return {
            "changed": False,
            "changes": [],
            "image_id": options["image_id"],
            "path": str(path or ""),
            "schema": 0,
        }
    known = migrations()[-1].version
    if options["database"]:
        refuse_older(
            known,
            options["deployments"],
            asked_of(**options["database"]),
            remedy="Check out sources that know it",
        )
    base, target = options["base_image"], options["target"]
    models = Path(options["models"]) if options["models"] else None
    if base and not base["image_id"]:
        return _absent(target, known)  # under --check even the base is not there yet
    image = (
        BaseImage(reference=base["reference"], path=Path(base["path"]), image_id=base["image_id"])
        if base
        else None
    )
    found = cache.find(CHECKOUT, image, target=target, models=models)
    if found is None and look_only:
        return _absent(target, known)
    built = found or cache.build(
        CHECKOUT,
        image,
        Path(options["log_file"]),
        target=target,
        models=models,
        tell=Display().display,
    )
    changes = [] if found else [f"build {_WORDS[target]} {built.image_id}"]
    return {
        "changed": found is None,
        "changes": changes,
        "image_id": built.image_id,
        "path": str(built.path),
        "schema": known,
    }


def _absent(target: Target, known: int) -> dict[str, Any]:
    build = f"build {_WORDS[target]}"
    return {"changed": True, "changes": [build], "image_id": "", "path": "", "schema": known}
