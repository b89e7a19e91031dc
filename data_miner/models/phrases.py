"""Matching the phrases that some detectors answer with to the prompts that were asked."""

from __future__ import annotations

from collections.abc import Sequence


def best_prompt(phrase: str, prompts: Sequence[str]) -> str | None:
    """Return the prompt that shares most words with a phrase, the first among equals; None if none does.

    Detectors that find text answer with parts of it ("door" for "glass door"), or with parts of two prompts.
    """
    words = set(phrase.lower().split())
    best, shared = None, 0.0
    for prompt in prompts:
        own = set(prompt.lower().split())
        score = len(words & own) / len(words | own) if own else 0.0
        if score > shared:
            best, shared = prompt, score
    return best
