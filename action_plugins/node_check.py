"""Action plugin node_check: library/node_check.py, which documents it, sent to the machine."""

from __future__ import annotations

from miner_cluster.on_machine.action import OnMachine


class ActionModule(OnMachine):
    """See the module."""
