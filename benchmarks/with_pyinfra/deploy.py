"""What site.yml checks on a machine, as operations of pyinfra; ../against_pyinfra.py says what that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# It has an environment of its own.
from pyinfra import host  # type: ignore[attr-defined,import-not-found,unused-ignore]
from pyinfra.facts.server import Command, KernelModules  # type: ignore[import-not-found]
from pyinfra.operations import apt, files, python, server, systemd  # type: ignore[import-not-found]

wanted: dict[str, Any] = host.data.wanted

apt.packages(name="Packages", packages=wanted["packages"], present=True)
# Only looked at: its operation does not know modules that are part of the kernel.
host.get_fact(KernelModules)
for key, value in wanted["sysctls"].items():
    server.sysctl(name=f"Sysctl {key}", key=key, value=value)
for directory in wanted["directories"]:
    files.directory(
        name=f"Directory {directory['path']}",
        path=directory["path"],
        user=directory["user"],
        group=directory["group"],
        mode=directory["mode"],
    )
for file in wanted["files"]:
    files.put(
        name=f"File {file['path']}",
        src=str(Path(wanted["copies"]) / file["path"].lstrip("/")),
        dest=file["path"],
        mode=file["mode"],
        create_remote_dir=False,
    )
for unit in wanted["units"]:
    systemd.service(name=f"Unit {unit}", service=unit, running=True, enabled=True)

images = str(host.get_fact(Command, "k3s ctr -n k8s.io images list -q"))
missing = [image for image in wanted["images"] if image not in images]
if missing:
    python.raise_exception(RuntimeError, f"lacks {missing}")

mount, note = wanted["mount"], f"{wanted['mount']}/.against-{wanted['name']}"
passed = host.get_fact(Command, f"stat -f -c %T {mount} && date > {note} && cat {note} && rm {note}")
if "fuse" not in str(passed):
    python.raise_exception(RuntimeError, f"{mount} is not mounted")
