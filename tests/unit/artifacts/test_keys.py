"""A key changes with what the content depends on, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from miner_cluster.artifacts.recipe import ArtifactError, Recipe, files_digest
from tests.unit.artifacts.making import make_recipe

RECIPE = make_recipe(lambda _: {})


@pytest.mark.parametrize("other", [replace(RECIPE, version="2"), replace(RECIPE, inputs={"text": "two"})])
def test_other_inputs_give_another_key(other: Recipe) -> None:
    assert other.key != RECIPE.key


def test_words_for_people_leave_the_key_alone() -> None:
    other = replace(RECIPE, source="there", estimate="hours", stand_in="It is another one", verb="fetching")
    assert other.key == RECIPE.key


def test_a_key_is_16_hexadecimal_digits() -> None:
    assert len(RECIPE.key) == 16
    int(RECIPE.key, 16)


def test_a_digest_of_files_follows_their_texts_and_names(tmp_path: Path) -> None:
    seen = set()
    for name, text in [("a", "1"), ("a", "2"), ("b", "2")]:
        for path in tmp_path.iterdir():
            path.unlink()
        (tmp_path / name).write_text(text)
        seen.add(files_digest(tmp_path, ["*"]))
    assert len(seen) == 3


def test_a_pattern_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"go\.mod"):
        files_digest(tmp_path, ["go.mod"])
