"""Taking files out of wheels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.artifacts.recipe import ArtifactError, Workshop
from miner_cluster.artifacts.store import Store
from miner_cluster.artifacts.wheels import unpack, unpack_tree, wheels
from tests.unit.artifacts.making import make_recipe


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with a wheel that holds a program and a text."""
    with zipfile.ZipFile(tmp_path / "thing-1.0-py3-none-any.whl", "w") as wheel:
        program = zipfile.ZipInfo("thing-1.0.data/scripts/thing")
        program.external_attr = 0o755 << 16
        wheel.writestr(program, "run")
        wheel.writestr("thing/data/readme.txt", "text")
        wheel.writestr("thing/data/unused.txt", "more")
    return tmp_path


def test_files_are_found_by_pattern_and_keep_whether_they_run(directory: Path) -> None:
    unpack(directory, {"*.data/scripts/thing": directory / "program", "thing/data/r*.txt": directory / "x"})
    assert (directory / "program").read_text() == "run"
    assert (directory / "program").stat().st_mode & 0o777 == 0o755
    assert (directory / "x").stat().st_mode & 0o777 == 0o644


def test_a_file_that_no_wheel_holds_is_an_error(directory: Path) -> None:
    with pytest.raises(ArtifactError, match=r"holds nothing\.txt"):
        unpack(directory, {"nothing.txt": directory / "nothing"})


def test_a_tree_keeps_its_shape_without_what_is_left_out(store: Store, directory: Path) -> None:
    def build(shop: Workshop) -> dict[str, Any]:
        unpack_tree(shop, directory, "thing/", shop.output, without=r"/unused\.txt$")
        return {}

    path = store.ensure(make_recipe(build)).path
    assert (path / "data/readme.txt").read_text() == "text"
    assert not (path / "data/unused.txt").exists()


def test_a_lock_says_what_is_fetched(tmp_path: Path) -> None:
    lock = tmp_path / "thing.lock"
    lock.write_text(f"# why\nthing==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    recipe = wheels("things", lock, estimate="a moment")
    assert recipe.source == "PyPI: thing 1.0"
    lock.write_text(f"thing==1.0 \\\n    --hash=sha256:{'1' * 64}\n")
    assert wheels("things", lock, estimate="a moment").key != recipe.key
