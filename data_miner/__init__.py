"""The data miner: finds videos, downloads them, cuts frames, and keeps account of every item."""
