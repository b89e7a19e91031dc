#!/usr/bin/python
"""Documentation of the action plugin image_spread, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_spread
short_description: Bring machines the parts of images that they lack
description:
  - What M(node_images) found lacking goes to all machines at once. A big blob leaves the controller once, and
    machines that have it pass it on, so that time grows with the logarithm of their number. Where machines
    don't reach each other, and where the controller is as fast as they are, it sends more itself.
  - A machine listens on a port that the kernel chooses, for as long as the task lasts, and answers whoever
    proves to know a secret of this run. What arrives is compared with its digest.
  - Machines that lack nothing may help. What arrived before an interruption is not sent again.
  - A machine that can't take its part does not stop the others; C(problems) names it.
  - Runs on the controller, once for all machines.
options:
  machines:
    description: What M(node_images) returned, by machine.
    type: dict
    required: true
  bandwidth_mbit:
    description: What leaves the controller at the most, in Mbit/s; unset is all that it can.
    type: float
  ctr:
    description: The command that speaks to containerd.
    type: list
    elements: str
    default: [/usr/local/bin/k3s, ctr]
  directory:
    description: As of M(node_images).
    type: path
    default: /var/lib/rancher/k3s/data-miner
attributes:
  check_mode:
    support: none
    description: There is nothing to bring where M(node_images) only looked.
author: [data-miner]
"""

EXAMPLES = r"""
- name: Bring the machines what they lack
  image_spread:
    machines: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, '_look'))) }}"
  run_once: true
"""

RETURN = r"""
sent_bytes:
  description: What left the controller.
  type: int
  returned: always
passed_on_bytes:
  description: What machines sent to each other.
  type: int
  returned: always
problems:
  description: Of each machine that did not get everything, the reason.
  type: dict
  returned: always
"""
