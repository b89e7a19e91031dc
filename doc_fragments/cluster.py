"""Options of modules that know the configuration."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by Ansible, and by tests."""

    DOCUMENTATION = r"""
options:
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
"""

    NODE = r"""
options:
  node:
    description: Its name.
    type: str
    required: true
"""
