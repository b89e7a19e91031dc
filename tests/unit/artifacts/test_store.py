"""The cache: complete or not there, made once, and made anew when damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop
from miner_cluster.artifacts.store import MANIFEST, Store, cache_root
from tests.unit.artifacts.making import file_recipe, make_recipe


def left(store: Store) -> list[str]:
    """Return what lies in the store apart from locks."""
    paths = (path for path in (store.root / "artifacts").rglob("*") if path.is_file())
    return sorted(path.name for path in paths if path.suffix != ".lock")


def failing(error: BaseException) -> Recipe:
    def build(shop: Workshop) -> dict[str, Any]:
        (shop.output / "file").write_text("half")
        raise error

    return make_recipe(build, text="content")


def test_an_artifact_is_made_once(store: Store) -> None:
    first = store.ensure(file_recipe())
    again = store.ensure(failing(AssertionError("made again")))
    assert again == first
    assert (again.path / "file").read_text() == "content"


def test_the_manifest_says_what_it_is(store: Store) -> None:
    artifact = store.ensure(file_recipe("abc"))
    manifest = json.loads((artifact.path / MANIFEST).read_text())
    assert (manifest["name"], manifest["version"], manifest["source"]) == ("thing", "1", "here")
    assert manifest["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert manifest["facts"] == {"length": 3}
    assert manifest["stand_in"] == ""


@pytest.mark.parametrize("error", [ArtifactError("no"), KeyboardInterrupt(), RuntimeError("no")])
def test_a_build_that_ends_early_leaves_nothing_and_the_next_one_succeeds(
    store: Store, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        store.ensure(failing(error))
    assert left(store) == []
    assert store.ensure(file_recipe()).path.is_dir()


def test_an_error_names_the_artifact(store: Store) -> None:
    with pytest.raises(ArtifactError, match=r"^thing: no network$"):
        store.ensure(failing(ArtifactError("no network")))


def test_a_recipe_that_makes_nothing_is_an_error(store: Store) -> None:
    with pytest.raises(ArtifactError, match="made nothing"):
        store.ensure(make_recipe(lambda _: {}))


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing", "no manifest", "broken manifest"])
def test_a_damaged_artifact_is_made_anew(store: Store, damage: str) -> None:
    artifact = store.ensure(file_recipe())
    file, manifest = artifact.path / "file", artifact.path / MANIFEST
    match damage:
        case "changed":
            file.write_text("cOntent")
        case "truncated":
            file.write_text("")
        case "missing":
            file.unlink()
        case "no manifest":
            manifest.unlink()
        case _:
            manifest.write_text("{")
    assert store.find(file_recipe()) is None
    assert (store.ensure(file_recipe()).path / "file").read_text() == "content"


def test_an_artifact_that_was_only_copied_or_touched_is_still_right(store: Store) -> None:
    artifact = store.ensure(file_recipe())
    os.utime(artifact.path / "file", (0, 0))
    assert store.find(file_recipe()) == artifact
    assert store.ensure(failing(AssertionError("made again"))) == artifact


def test_other_inputs_are_another_artifact(store: Store) -> None:
    one, two = store.ensure(file_recipe("one")), store.ensure(file_recipe("two"))
    assert one.path != two.path
    assert [artifact.manifest.facts["length"] for artifact in store.manifests()] == [3, 3]


def test_what_a_killed_build_of_another_version_left_is_removed(store: Store) -> None:
    abandoned = store.directory(file_recipe("old")).with_suffix(".partial")
    abandoned.mkdir(parents=True)
    (abandoned / "half").write_text("x" * 100)
    store.ensure(file_recipe("new"))
    assert not abandoned.exists()


def test_an_artifact_gets_those_it_needs(store: Store) -> None:
    def build(shop: Workshop) -> dict[str, Any]:
        text = (shop.need(file_recipe("part", name="part")) / "file").read_text()
        (shop.output / "whole").write_text(text * 2)
        return {}

    artifact = store.ensure(make_recipe(build))
    assert (artifact.path / "whole").read_text() == "partpart"
    assert store.find(file_recipe("part", name="part"))


def test_a_cache_that_cannot_be_written_is_an_error_with_a_remedy(store: Store) -> None:
    store.root.parent.mkdir(exist_ok=True)
    store.root.write_text("a file where the directory should be")
    with pytest.raises(ArtifactError, match="DATA_MINER_CACHE"):
        store.ensure(file_recipe())


def test_the_cache_is_the_users(tmp_path: Path) -> None:
    assert cache_root({"DATA_MINER_CACHE": "/x/y", "XDG_CACHE_HOME": "/z"}) == Path("/x/y")
    assert cache_root({"XDG_CACHE_HOME": "/z"}) == Path("/z/data-miner")
    assert cache_root({}) == Path("~/.cache/data-miner").expanduser()
