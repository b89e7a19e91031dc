"""What stands between a backup and its use."""

from __future__ import annotations

from data_miner.errors import MinerError


class BackupError(MinerError):
    """A backup can't be made, or can't be used; the message says why and what to do."""
