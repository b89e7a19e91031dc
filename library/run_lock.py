#!/usr/bin/python
"""Ansible module: one run at a time changes a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Let nobody else change the cluster until this run has ended
description:
  - Takes the cluster's lock at its first server, and keeps it until the process of this run has ended,
    however it ends. Fails where another run has it, and says who, where, with which playbook, since when.
    A run that has it already gets nothing more.
  - A run that loses it, as its controller slept, its connection broke or somebody took the lock, is
    interrupted and told why.
  - Where the first server can't be asked, nothing is locked, and a warning says why.
extends_documentation_fragment: [cluster]
options:
  break_lock:
    description:
      - Take the lock from whoever has it. Their run ends, unless its controller can't reach the server.
    type: bool
    default: false
  wait_s:
    description: How long another run may take to end before this one fails, in seconds.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: Takes no lock, as nothing will be changed.
author: [data-miner]
"""

EXAMPLES = r"""
- name: Make sure that nobody else works on the cluster
  run_lock:
    cluster: "{{ cluster }}"
"""

RETURN = r"""
held:
  description: Whether this run has the lock.
  type: bool
  returned: always
"""

import os
import sys
from pathlib import Path
from typing import Any

from miner_cluster.cluster import as_cluster
from miner_cluster.run_lock.take import take, this_run

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "break_lock": {"type": "bool", "default": False},
    "wait_s": {"type": "int", "default": 0},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        LockedError: another run has the lock.
    """
    if check:
        return {"changed": False, "held": False}
    # A task runs in a child of the process that is the run.
    holder = this_run(os.getppid(), playbook(sys.argv))
    problem = take(
        as_cluster(params["cluster"]), holder, break_lock=params["break_lock"], wait_s=params["wait_s"]
    )
    warnings = [f"Nobody is kept from changing the cluster meanwhile: {problem}"] if problem else []
    return {"changed": False, "held": not problem, "warnings": warnings}


def playbook(words: list[str]) -> str:
    """Return the playbooks of a command line."""
    return " ".join(Path(word).name for word in words[1:] if word.endswith((".yml", ".yaml"))) or "Ansible"
