"""The data miner: finds videos, downloads them, cuts frames, and keeps account of every item."""

__version__ = "0.1.0"
