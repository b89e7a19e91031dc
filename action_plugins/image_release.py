"""Action plugin image_release: library/image_release.py, which documents it, in Ansible's own process."""

from __future__ import annotations

from miner_cluster.in_process import InProcess


class ActionModule(InProcess):
    """See the module."""
