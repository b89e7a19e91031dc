from __future__ import annotations

import pytest

from data_miner.models.phrases import best_prompt

PROMPTS = ["glass door", "door handle", "person"]


@pytest.mark.parametrize(
    ("phrase", "prompt"),
    [
        ("glass door", "glass door"),
        ("Glass", "glass door"),
        ("handle", "door handle"),
        ("door", "glass door"),
        ("glass door handle", "glass door"),
        ("person", "person"),
        ("", None),
        ("sky", None),
    ],
)
def test_a_phrase_means_the_prompt_that_shares_most_words(phrase: str, prompt: str | None) -> None:
    assert best_prompt(phrase, PROMPTS) == prompt
