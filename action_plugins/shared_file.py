"""Action plugin shared_file: library/shared_file.py, which documents it, sent to the machine."""

from __future__ import annotations

from miner_cluster.on_machine.action import OnMachine


class ActionModule(OnMachine):
    """See the module."""
