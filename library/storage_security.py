#!/usr/bin/python
"""Ansible module: keys and certificates of the shared storage."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_security
short_description: Make the keys and certificates of the shared storage, and renew them in time
description:
  - Takes what is kept of them, makes what is missing or ends soon, and returns the text to keep and the
    Secrets that follow from it. It keeps nothing itself.
  - Use it with C(no_log). As a task that fails then says nothing, what is wrong is returned as C(problem),
    for an C(assert) that follows.
options:
  kept:
    description: What an earlier run kept; empty where there is nothing yet.
    type: str
    default: ""
  anew:
    description: Make up all keys, the CA and all certificates anew, whatever is kept.
    type: bool
    default: false
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Have keys and certificates for the storage
  storage_security:
    kept: "{{ kept.secret }}"
  register: security
  no_log: true
"""

RETURN = r"""
text:
  description: What is to be kept; empty where there is a problem.
  type: str
  returned: always
secrets:
  description: Of each Secret its files.
  type: dict
  returned: always
problem:
  description: What is wrong and what to do about it; empty where nothing is.
  type: str
  returned: always
"""

from datetime import UTC, datetime
from typing import Any

from data_miner.errors import MinerError
from miner_cluster.storage_security import make, parse, renewed, secret_values

ARGUMENTS: dict[str, Any] = {
    "kept": {"type": "str", "default": "", "no_log": True},
    "anew": {"type": "bool", "default": False},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - it keeps nothing
    """Return what the module returns."""
    now = datetime.now(UTC)
    try:
        security = make(now) if params["anew"] or not params["kept"] else renewed(parse(params["kept"]), now)
    except MinerError as error:
        return {"changed": False, "text": "", "secrets": {}, "problem": str(error)}
    return {
        "changed": security.text() != params["kept"],
        "text": security.text(),
        "secrets": secret_values(security),
        "problem": "",
    }
