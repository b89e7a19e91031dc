"""Action plugin project_counts: library/project_counts.py, which documents it, in Ansible's own process."""

from __future__ import annotations

from miner_cluster.in_process import InProcess


class ActionModule(InProcess):
    """See the module."""
