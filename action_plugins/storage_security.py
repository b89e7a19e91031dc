"""Action plugin storage_security: library/storage_security.py, documented there, in Ansible's own process."""

from __future__ import annotations

from miner_cluster.in_process import InProcess


class ActionModule(InProcess):
    """See the module."""
