"""Ansible modules of this repository, imported so that their pure parts can be tested."""

from __future__ import annotations

import importlib.util
from typing import Any

import ansible.module_utils

from miner_cluster.cluster import CHECKOUT


def load_module(name: str) -> Any:
    """Import library/<name>.py, with our module_utils where Ansible puts them."""
    ours = str(CHECKOUT / "module_utils")
    if ours not in ansible.module_utils.__path__:
        ansible.module_utils.__path__.append(ours)
    spec = importlib.util.spec_from_file_location(f"library_{name}", CHECKOUT / "library" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
