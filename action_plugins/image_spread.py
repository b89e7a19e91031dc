"""Action plugin image_spread, documented in library: blobs of images on their way to machines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from data_miner.errors import MinerError
from miner_cluster.images.layout import OciImage, open_blob, read_image
from miner_cluster.images.spread import Machine, Spread
from miner_cluster.ssh.login import command

#: machines without a lack of their own that may help
_HELPERS = 4
_BITS, _MEGA = 8, 1e6


class ActionModule(ActionBase):  # type: ignore[misc]
    """One process for all machines, so that it sees the whole."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the documentation says."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            {
                "machines": {"type": "dict", "required": True},
                "bandwidth_mbit": {"type": "float"},
                "ctr": {"type": "list", "elements": "str", "default": ["/usr/local/bin/k3s", "ctr"]},
                "directory": {"type": "path", "default": "/var/lib/rancher/k3s/data-miner"},
            }
        )
        looks: dict[str, Any] = options["machines"]
        variables = (task_vars or {})["hostvars"]
        asked = self._play_context.become_pass or ""
        lacking = {name: look["lacking"] for name, look in looks.items() if "lacking" in look}
        try:
            images = [read_image(Path(path)) for path in _paths(lacking)]
            machines = [
                Machine(
                    name=name,
                    directory=f"{options['directory']}/incoming",
                    ctr=options["ctr"],
                    missing=frozenset(lacking.get(name, {}).get("blobs", ())),
                    holds=holds,
                    **way(variables[name], variables[name].get("ansible_become_password") or asked),
                )
                for name, holds in taking_part(looks, images).items()
            ]
            cap = options["bandwidth_mbit"]
            spread = Spread(
                sizes={digest: size for image in images for digest, size in image.blobs.items()},
                open_blob=_opener(images),
                bytes_per_s=cap * _MEGA / _BITS if cap else None,
                tell=Display().display,
            )
            outcome = spread.run(machines)
        except MinerError as error:
            raise AnsibleActionFail(str(error)) from None
        return result | {
            "changed": bool(lacking),
            "sent_bytes": outcome.sent_bytes,
            "passed_on_bytes": outcome.passed_on_bytes,
            "problems": outcome.problems,
        }


def way(variables: Mapping[str, Any], password: str) -> dict[str, Any]:
    """Return how to reach a machine: as Ansible does, with a connection of our own.

    Args:
        variables: of the machine.
        password: of its user for sudo; empty where it asks for none.
    """
    user, address = variables["ansible_user"], variables["ansible_host"]
    ssh = command(
        user,
        address,
        port=variables.get("ansible_port", 22),
        key=variables["ansible_ssh_private_key_file"],
        given=shlex.split(variables.get("ansible_ssh_common_args", "")),
    )
    if user == "root":
        return {"reach": ssh, "address": address}
    root = ("sudo", "-S", "-p", "", "--") if password else ("sudo", "-n", "--")
    return {"reach": ssh, "address": address, "root": root, "password": password}


def _paths(lacking: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return sorted({path for lack in lacking.values() for path in lack["paths"]})


def taking_part(looks: Mapping[str, Any], images: list[OciImage]) -> dict[str, frozenset[str]]:
    """Return of each machine that takes part which blobs it has already."""
    lacking = {name: look["lacking"] for name, look in looks.items() if "lacking" in look}
    found = {name: frozenset[str](lack["has"]) for name, lack in lacking.items()}
    for name, look in looks.items():
        ids = set(look.get("image_ids", {}).values())
        blobs = frozenset(blob for image in images if image.image_id in ids for blob in image.blobs)
        if name not in lacking and blobs and len(found) < len(lacking) + _HELPERS:
            found[name] = blobs
    return found


def _opener(images: list[OciImage]) -> Any:
    where = {digest: image for image in images for digest in image.blobs}

    def opened(digest: str) -> AbstractContextManager[IO[bytes]]:
        return open_blob(where[digest], digest)

    return opened
