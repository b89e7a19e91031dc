#!/usr/bin/python
"""Ansible module: the cluster's SSH key on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_key
short_description: Make the cluster's SSH key, and replace it in steps
description:
  - V(present) makes the key unless it is there. V(next) makes the one that comes next, beside it, unless an
    earlier exchange is not finished. V(swapped) puts that in the place of the key in use, which stays as
    the old one. V(settled) removes the old one, and keeps one that was not made here, which may open other
    things, as C(.replaced-) with the time. Each step can be repeated.
  - Keys are ed25519 without a passphrase, of mode 0600. A key of another kind that is there is used as it is.
options:
  path:
    description: The key in use.
    type: path
    required: true
  state:
    description: What is wanted.
    type: str
    choices: [present, next, swapped, settled]
    required: true
  comment:
    description: What a new key is called. C(data-miner) first, by which one that was made here is known.
    type: str
    default: ""
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Make the cluster's key
  ssh_key:
    path: .state/lab/id_ed25519
    state: present
"""

RETURN = r"""
public:
  description: Public part of the key in use; empty under check mode where there is none.
  type: str
  returned: always
next:
  description: Public part of the key that comes next; empty where there is none.
  type: str
  returned: always
old:
  description: Public part of the key that was in use and is no more; empty where there is none.
  type: str
  returned: always
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from miner_cluster.ssh.keys import forget_old, make, next_path, old_path, public, swap

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "next", "swapped", "settled"], "required": True},
    "comment": {"type": "str", "default": ""},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        SshError: a key can't be made or read.
    """
    path, state = Path(params["path"]), params["state"]
    steps: dict[str, tuple[bool, Callable[[], object]]] = {
        "present": (not path.exists(), lambda: make(path, params["comment"])),
        "next": (
            not next_path(path).exists() and not old_path(path).exists(),
            lambda: make(next_path(path), params["comment"]),
        ),
        "swapped": (next_path(path).exists(), lambda: swap(path)),
        "settled": (old_path(path).exists(), lambda: forget_old(path)),
    }
    changed, step = steps[state]
    if changed and not check:
        step()
    files = {"public": path, "next": next_path(path), "old": old_path(path)}
    keys = {name: public(file) if file.exists() else "" for name, file in files.items()}
    # An exchange that was killed may have copied the key already and not replaced it.
    if keys["old"] == keys["public"]:
        keys["old"] = ""
    return {"changed": changed} | keys
