#!/usr/bin/python
"""Ansible module: a machine that can't be reached is left out of the rest of the run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_left_out
short_description: Leave a machine out of the rest of a run
description:
  - Tells Ansible that the host is unreachable, without trying it. So no later task runs on it, the recap
    counts it as unreachable, and C(ansible-playbook) ends with an error, while all other hosts go on.
options:
  reason:
    description: What was found, and what to do about it.
    type: str
    required: true
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Leave out what does not answer
  machine_left_out:
    reason: no answer in 5 s; start it
  when: inventory_hostname in away
"""

RETURN = r"""
unreachable:
  description: Always true.
  type: bool
  returned: always
"""
