#!/usr/bin/python
"""Ansible module: the CDI specification of a machine's NVIDIA driver."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_spec
short_description: Keep the CDI specification of the NVIDIA driver as the driver is
description:
  - The specification names the device nodes, libraries and programs that a container gets with a GPU. It is
    written anew where the driver, its GPUs, its device nodes or the container toolkit are not those that it
    was written for, or where somebody changed it; else nothing is run but C(nvidia-smi).
  - A driver that does not work is no failure of the module, which returns the problem for a later task, so
    that the machine goes on without its GPU.
options:
  program:
    description:
      - The program that writes the specification to O(path) where it differs, and with C(--print) prints
        it instead. Required with O(state=present).
    type: path
  toolkit:
    description: The directory of the container toolkit. Required with O(state=present).
    type: path
  path:
    description: The specification.
    type: path
    default: /etc/cdi/nvidia.yaml
  stamp:
    description: The file that says what the specification was written for.
    type: path
    default: /var/lib/data-miner/nvidia-cdi.json
  state:
    description: V(absent) removes what was written here.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Describe the GPUs to container runtimes
  nvidia_spec:
    program: /usr/local/lib/data-miner/nvidia-cdi
    toolkit: /usr/local/nvidia/toolkit
  register: nvidia_spec
  become: true
"""

RETURN = r"""
problem:
  description: What is wrong, with the remedy; empty where containers can have the GPUs.
  type: str
  returned: always
driver:
  description: The driver's version; empty where it does not work.
  type: str
  returned: always
gpus:
  description: The GPUs that the driver drives, by UUID.
  type: list
  elements: str
  returned: always
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils import nvidia
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.node_state.files import write_atomically
from ansible.module_utils.node_state.model import Attributes

TIMEOUT_S = 120.0


class SpecError(Exception):
    """There can be no specification; the message says why."""


def text_of(path: Path) -> str:
    """Return a file's text; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def digest(text: str) -> str:
    """Return a digest of a specification."""
    return hashlib.sha256(text.encode()).hexdigest()


def inputs(driver: dict[str, Any], toolkit: Path, devices: Path) -> dict[str, Any]:
    """Return everything that a specification depends on, as plain values."""
    return {
        "driver": driver["version"],
        "gpus": driver["gpus"],
        "mig": ask("nvidia-smi", "-L"),
        "devices": sorted(str(path.relative_to(devices)) for path in devices.glob("nvidia*")),
        "toolkit": [str(toolkit), ask(str(toolkit / "nvidia-ctk"), "--version")],
    }


def ask(*argv: str) -> str:
    """Return what a command prints.

    Raises:
        SpecError: it fails or is not there.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the role's own argument lists
            argv,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            env={**os.environ, "PATH": nvidia.PROGRAMS, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpecError(f"{argv[0]} can't be run: {error}") from error
    if done.returncode:
        last = " ".join((done.stderr or done.stdout).split())[-500:]
        raise SpecError(f"`{' '.join(argv)}` failed with exit code {done.returncode}: {last}")
    return done.stdout


def current(stamp: str, wanted: dict[str, Any], spec: str) -> bool:
    """Return whether a stamp says that the specification was written for this, and is still as it was."""
    try:
        noted = json.loads(stamp)
    except ValueError:
        return False
    return bool(spec and noted == {**wanted, "spec": digest(spec)})


def converge(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Write what is outdated, unless only to check; return what the module returns.

    Raises:
        SpecError: the specification can't be made.
    """
    spec, stamp, program = Path(params["path"]), Path(params["stamp"]), Path(params["program"])
    driver = nvidia.driver()
    result = {"changed": False, "problem": "", "driver": driver["version"], "gpus": driver["gpus"]}
    if driver["problems"]:
        return {**result, "problem": driver["problems"][0]}
    before = after = text_of(spec)
    if check and not program.exists():
        return {**result, "changed": True}
    wanted = inputs(driver, Path(params["toolkit"]), nvidia.DEVICES)
    if not current(text_of(stamp), wanted, before):
        if check:
            after = ask(str(program), "--print")
        else:
            ask(str(program))
            after = text_of(spec)
            # What the program had to load first has device nodes now.
            wanted = inputs(driver, Path(params["toolkit"]), nvidia.DEVICES)
            note = json.dumps({**wanted, "spec": digest(after)}, indent=2) + "\n"
            write_atomically(str(stamp), note.encode(), Attributes(mode=0o644, uid=0, gid=0))
    return {**result, **difference(spec, before, after)}


def difference(spec: Path, before: str, after: str) -> dict[str, Any]:
    """Return ``changed`` and ``diff`` of the specification."""
    if before == after:
        return {"changed": False}
    header = {"before_header": str(spec), "after_header": str(spec)}
    return {"changed": True, "diff": {"before": before, "after": after, **header}}


def remove(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Remove the specification and its stamp, where the stamp says that they were written here."""
    spec, stamp = Path(params["path"]), Path(params["stamp"])
    result = {"changed": False, "problem": "", "driver": "", "gpus": []}
    if not stamp.exists():
        return result
    before = text_of(spec)
    if not check:
        # The stamp goes last, so that a run that is interrupted is finished by the next.
        spec.unlink(missing_ok=True)
        stamp.unlink()
    return {**result, **difference(spec, before, ""), "changed": True}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "path"},
            "toolkit": {"type": "path"},
            "path": {"type": "path", "default": "/etc/cdi/nvidia.yaml"},
            "stamp": {"type": "path", "default": "/var/lib/data-miner/nvidia-cdi.json"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["program", "toolkit"])],
        supports_check_mode=True,
    )
    if module.params["state"] == "absent":
        module.exit_json(**remove(module.params, check=module.check_mode))
    try:
        result = converge(module.params, check=module.check_mode)
    except SpecError as error:
        result = {"changed": False, "problem": problem(str(error)), "driver": "", "gpus": []}
    module.exit_json(**result)


def problem(reason: str) -> str:
    """Say why containers get no GPU, and what to do."""
    return (
        f"Containers can't be told of the GPUs: {reason}; see to it that all parts of the driver have one "
        "version (Debian: nvidia-driver, nvidia-smi, libcuda1), and run this again"
    )


if __name__ == "__main__":
    main()
