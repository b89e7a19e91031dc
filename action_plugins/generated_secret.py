"""Action plugin generated_secret: library/generated_secret.py, which documents it, sent to the machine."""

from __future__ import annotations

from miner_cluster.on_machine.action import OnMachine


class ActionModule(OnMachine):
    """See the module."""
