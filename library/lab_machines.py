#!/usr/bin/python
"""Ansible module: the lab's machines on this machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_machines
short_description: Make or remove a lab, machines with systemd in containers on this machine
description:
  - Looks once at what is there, and makes the difference. A run that was interrupted is completed by the next
    one, and what it left half made is removed.
  - Needs root. Fails before it touches anything where the lab can't be made here, or is that of another
    checkout.
options:
  state:
    description: Whether the lab is to be there.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: The lab's name. Its containers are called by it and a machine's name.
    type: str
    required: true
  state_dir:
    description:
      - Directory of the lab's disks, keys and known hosts.
      - With the lab goes all that is in it but C(inventory).
    type: path
    required: true
  machines:
    description:
      - Address of each machine by its host name.
      - All lie in one /24, whose first address is this machine's.
    type: dict
    required: true
  image:
    description: Tar of the machines' root file system. Not needed to remove a lab.
    type: path
  programs:
    description: Directory of C(machine-init), the first process of each machine.
    type: path
    required: true
  disk_mb:
    description: Size of each machine's disk, a file that takes only what is written to it.
    type: int
    required: true
  disk_paths:
    description: Directories of a machine that lie on its disk.
    type: list
    elements: path
    required: true
  ssh_key:
    description: Private key for root on the machines, without C(.pub). Made where it lies in O(state_dir).
    type: path
    required: true
  site:
    description: The video site, one more container; none by default.
    type: dict
    suboptions:
      ip: {description: Address., type: str, required: true}
      program: {description: Directory of C(server.py)., type: path, required: true}
      files: {description: Directory of what it serves., type: path, required: true}
  need_disk_mb:
    description: Free disk space that each new machine needs.
    type: int
    required: true
  need_memory_mb:
    description: Available memory that each machine needs to start.
    type: int
    required: true
  wait_s:
    description: How long the machines may take to come up.
    type: int
    required: true
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Make two machines
  lab_machines:
    name: demo
    state_dir: /home/me/demo/.state/demo
    machines: {demo-server: 192.0.2.10, demo-agent: 192.0.2.11}
    image: /home/me/node.tar
    programs: files
    disk_mb: 8000
    disk_paths: [/data]
    ssh_key: /home/me/demo/.state/demo/id_ed25519
    need_disk_mb: 3000
    need_memory_mb: 1000
    wait_s: 60
"""

RETURN = r"""
changes:
  description: What was done, or would be, a sentence for each thing.
  type: list
  elements: str
  returned: always
"""

import hashlib
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from miner_cluster.lab import act, host, look
from miner_cluster.lab.errors import LabError
from miner_cluster.lab.model import Lab, Machine, Site
from miner_cluster.lab.plan import Plan, plan_absent, plan_present
from miner_cluster.lab.sentences import sentences


def lab(params: dict[str, Any]) -> Lab:
    """Return the lab that is asked for.

    Raises:
        LabError: a file that it is made from is not there.
    """
    present = params["state"] == "present"
    image = Path(params["image"] or "")
    site = params["site"] if present else None
    return Lab(
        name=params["name"],
        state_dir=Path(params["state_dir"]),
        machines=tuple(Machine(name=name, ip=ip) for name, ip in params["machines"].items()),
        disk_mb=params["disk_mb"],
        disk_paths=tuple(params["disk_paths"]),
        image_path=image,
        image_tag=image_tag(image),
        programs=Path(params["programs"]),
        ssh_key=Path(params["ssh_key"]),
        site=Site(
            ip=site["ip"],
            program=Path(site["program"]),
            content=digest(Path(site["program"])),
            files=Path(site["files"]),
        )
        if site
        else None,
        need_disk_mb=params["need_disk_mb"],
        need_memory_mb=params["need_memory_mb"],
    )


def image_tag(image: Path) -> str:
    """Return what tells one root file system from another, without reading hundreds of megabytes."""
    if not image.is_file():
        return "none"
    stat = image.stat()
    return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:12]


def digest(directory: Path) -> str:
    """Return the digest of a program.

    Raises:
        LabError: it is not there.
    """
    file = directory / "server.py"
    if not file.is_file():
        raise LabError(f"the lab's site has no program {file}")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def converge(module: AnsibleModule) -> dict[str, Any]:
    """Make or remove the lab and return what the module returns.

    Raises:
        LabError: it can't be done.
    """
    host.require_root_and_programs()
    wanted = lab(module.params)
    present = module.params["state"] == "present"
    with host.lock():
        this = host.look()
        found = look.look(wanted, this)
        plan = plan_present(wanted, this, found) if present else plan_absent(wanted, found)
        done = sentences(wanted, plan, found)
        if not module.check_mode:
            if present:
                host.require_features()
                if plan.import_image and not wanted.image_path.is_file():
                    raise LabError(f"the machines' root file system is not there: {wanted.image_path}")
            act.apply(wanted, this, found, plan)
    if present and not module.check_mode:
        for warning in act.settle(wanted, this, timeout_s=module.params["wait_s"]):
            module.warn(warning)
    return {
        "changed": plan != Plan(),
        "changes": done,
        "diff": {"prepared": "".join(f"+ {sentence}\n" for sentence in done)},
    }


def main() -> None:
    """Run as an Ansible module."""
    site = {
        "ip": {"type": "str", "required": True},
        "program": {"type": "path", "required": True},
        "files": {"type": "path", "required": True},
    }
    arguments: dict[str, Any] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "required": True},
        "state_dir": {"type": "path", "required": True},
        "machines": {"type": "dict", "required": True},
        "image": {"type": "path"},
        "programs": {"type": "path", "required": True},
        "disk_mb": {"type": "int", "required": True},
        "disk_paths": {"type": "list", "elements": "path", "required": True},
        "ssh_key": {"type": "path", "required": True},
        "site": {"type": "dict", "options": site},
        "need_disk_mb": {"type": "int", "required": True},
        "need_memory_mb": {"type": "int", "required": True},
        "wait_s": {"type": "int", "required": True},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    try:
        result = converge(module)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
