"""Why a lab can't be made."""

from __future__ import annotations

from data_miner.errors import MinerError


class LabError(MinerError):
    """The lab can't be made or removed; the text says what to do about it."""
