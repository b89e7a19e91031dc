#!/usr/bin/python
"""Ansible module: what a machine says of itself, for somebody who looks for a fault."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_report
short_description: Read logs and state of a machine
description:
  - Runs a fixed set of programs that only read, each for 20 s at most, and returns what they print. One that
    is missing or fails says so in its place. Changes nothing.
options:
  lines:
    description: How many lines of each journal.
    type: int
    default: 1000
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Read logs and state of the machine
  node_report:
  register: report
"""

RETURN = r"""
texts:
  description: What was printed, by name of a file.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.node_state.model import StateError
from ansible.module_utils.node_state.run import run

TIMEOUT_S = 20


def programs(lines: int) -> dict[str, list[str]]:
    """Return what is run, by name of the file that it fills."""
    journal = ["journalctl", "--no-pager", "--output=short-iso", f"--lines={lines}"]
    return {
        "journal-k3s.log": [*journal, "--unit=k3s", "--unit=k3s-agent"],
        "journal-warnings.log": [*journal, "--priority=warning"],
        "units.txt": ["systemctl", "--no-pager", "--all", "--failed"],
        "disks.txt": ["df", "--human-readable", "--print-type", "--local"],
        "mounts.txt": ["cat", "/proc/self/mountinfo"],
        "memory.txt": ["cat", "/proc/meminfo", "/proc/loadavg"],
        "kernel.txt": ["uname", "--all"],
        "os.txt": ["cat", "/etc/os-release"],
        "processes.txt": ["ps", "-eo", "pid,ppid,user,stat,etime,rss,comm"],
        "addresses.txt": ["ip", "-brief", "address"],
        "routes.txt": ["ip", "route"],
        "images.txt": ["/usr/local/bin/k3s", "ctr", "images", "list"],
        "version-k3s.txt": ["/usr/local/bin/k3s", "--version"],
        "owned.json": ["cat", "/var/lib/data-miner/owned.json"],
    }


def look(argv: list[str]) -> str:
    """Return what a program prints, and how it ended where that was not well."""
    try:
        done = run(*argv, timeout_s=TIMEOUT_S)
    except StateError as error:
        return f"can't be had: {error}\n"
    end = f"\n[ended with {done.returncode}] {done.stderr}" if done.returncode else ""
    return f"{done.stdout}{end}"


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={"lines": {"type": "int", "default": 1000}}, supports_check_mode=True
    )
    texts = {name: look(argv) for name, argv in programs(module.params["lines"]).items()}
    module.exit_json(changed=False, texts=texts)


if __name__ == "__main__":
    main()
