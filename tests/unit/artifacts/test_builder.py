"""Making several artifacts."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from miner_cluster.artifacts.builder import ensure_all
from miner_cluster.artifacts.progress import Progress
from miner_cluster.artifacts.recipe import ArtifactError, Workshop
from miner_cluster.artifacts.store import Store
from tests.unit.artifacts.making import file_recipe, make_recipe


def test_only_what_is_not_there_is_made(store: Store) -> None:
    store.ensure(file_recipe(name="old"))
    assert ensure_all(store, [file_recipe(name="old"), file_recipe(name="new")]) == ["new"]
    assert ensure_all(store, [file_recipe(name="old"), file_recipe(name="new")]) == []


def test_two_are_made_at_a_time(store: Store) -> None:
    both = threading.Barrier(2, timeout=10)

    def meeting(shop: Workshop) -> dict[str, Any]:
        both.wait()
        (shop.output / "file").write_text("met")
        return {}

    recipes = [make_recipe(meeting, name="one"), make_recipe(meeting, name="two")]
    assert ensure_all(store, recipes) == ["one", "two"]


def test_two_that_use_one_cache_take_turns(store: Store) -> None:
    inside: list[str] = []

    def taking_turns(shop: Workshop) -> dict[str, Any]:
        with shop.alone("compiler"):
            inside.append("in")
            shop.run("sleep", "0.3")
            inside.append("out")
        (shop.output / "file").write_text("made")
        return {}

    ensure_all(store, [make_recipe(taking_turns, name="one"), make_recipe(taking_turns, name="two")])
    assert inside == ["in", "out", "in", "out"]


def test_the_first_failure_ends_the_others(store: Store) -> None:
    def fail(_: Workshop) -> dict[str, Any]:
        raise ArtifactError("no network")

    def hang(shop: Workshop) -> dict[str, Any]:
        shop.run("sleep", "600")
        return {}

    with pytest.raises(ArtifactError, match=r"^bad: no network$"):
        ensure_all(store, [make_recipe(hang, name="slow"), make_recipe(fail, name="bad")])
    assert list(store.manifests()) == []


def test_progress_has_a_start_signs_of_life_and_an_end(store: Store) -> None:
    lines: list[str] = []
    store.progress = Progress(lines.append, interval_s=0.05)

    def slow(shop: Workshop) -> dict[str, Any]:
        shop.run("sleep", "0.2")
        (shop.output / "file").write_bytes(b"x" * 1_500_000)
        return {}

    store.ensure(make_recipe(slow))
    assert lines[0] == "thing: building, a moment the first time"
    assert lines[1] == "thing: still building, 0 s"
    assert lines[-1] == "thing: done in 0 s, 1.5 MB"
    told = len(lines)
    store.ensure(make_recipe(slow))
    assert len(lines) == told
