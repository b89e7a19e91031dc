"""Options of modules that start k3s anew, as module_utils/k3s_unit.py takes them."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by Ansible, and by tests."""

    DOCUMENTATION = r"""
options:
  unit:
    description: The unit that runs k3s.
    type: str
    choices: [k3s, k3s-agent]
    required: true
  start_timeout_s:
    description: Seconds within which k3s must be up again.
    type: int
    default: 300
"""
