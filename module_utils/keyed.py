"""Digests that tell whether two texts are the same to those who know a key, and nothing to others.

A plain digest of a short secret gives it away to whoever tries them all.
Runs on the nodes too, from Python 3.8 on.
"""

from __future__ import annotations

import hmac


def keyed(key: str, text: str) -> str:
    """Return what stands for a text, word by word: of words that are known so already others can be made."""
    return " ".join(hmac.new(key.encode(), word.encode(), "sha256").hexdigest() for word in text.split(" "))
