"""Taking files out of wheels."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.artifacts.wheels import unpack, unpack_tree, wheels


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with a wheel that holds a program and a text."""
    with zipfile.ZipFile(tmp_path / "thing-1.0-py3-none-any.whl", "w") as wheel:
        program = zipfile.ZipInfo("thing-1.0.data/scripts/thing")
        program.external_attr = 0o755 << 16
        wheel.writestr(program, "run")
        wheel.writestr("thing/data/readme.txt", "text")
    return tmp_path


def test_files_are_found_by_pattern_and_keep_whether_they_run(directory: Path) -> None:
    unpack(directory, {"*.data/scripts/thing": directory / "program", "thing/data/*.txt": directory / "text"})
    assert (directory / "program").read_text() == "run"
    assert (directory / "program").stat().st_mode & 0o777 == 0o755
    assert (directory / "text").stat().st_mode & 0o777 == 0o644


def test_a_file_that_no_wheel_holds_is_an_error(directory: Path) -> None:
    with pytest.raises(ArtifactError, match=r"holds nothing\.txt"):
        unpack(directory, {"nothing.txt": directory / "nothing"})


def test_a_tree_keeps_its_shape(directory: Path) -> None:
    unpack_tree(directory, "thing/", directory / "tree")
    assert (directory / "tree/data/readme.txt").read_text() == "text"


def test_a_lock_says_what_is_fetched(tmp_path: Path) -> None:
    lock = tmp_path / "thing.lock"
    lock.write_text(f"# why\nthing==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    recipe = wheels("things", lock, estimate="a moment")
    assert recipe.source == "PyPI: thing 1.0"
    lock.write_text(f"thing==1.0 \\\n    --hash=sha256:{'1' * 64}\n")
    assert wheels("things", lock, estimate="a moment").key != recipe.key
