"""Directories, files and blocks on a real file system, and their removal."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from module_utils.mounts import LinkedError, remove_tree
from module_utils.node_state.control import uninstall
from module_utils.node_state.model import StateError, digest
from tests.unit.node_state.conftest import Node, block, directory, file

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
MODES = st.sampled_from([0o700, 0o755, 0o750])
FILE_MODES = st.sampled_from([0o600, 0o644])
Directories: TypeAlias = dict[str, tuple[int, bool]]
Files: TypeAlias = dict[str, tuple[str, int]]
DIRECTORIES = st.dictionaries(PATHS, st.tuples(MODES, st.booleans()), max_size=4)
FILES = st.dictionaries(
    PATHS.map(lambda path: f"{path}.txt"), st.tuples(st.text("xy\n"), FILE_MODES), max_size=4
)


def parts(node: Node, directories: Directories, files: Files) -> dict[str, Any]:
    return {
        "directories": tuple(
            directory(node.root / path, mode, data=data) for path, (mode, data) in directories.items()
        ),
        "files": tuple(file(node.root / path, text, mode) for path, (text, mode) in files.items()),
    }


def strangers(node: Node, files: Files) -> None:
    """Put files of somebody else's on the machine."""
    for path, (text, mode) in files.items():
        (node.root / "others" / path).parent.mkdir(parents=True, exist_ok=True)
        (node.root / "others" / path).write_text(text)
        (node.root / "others" / path).chmod(mode)


@settings(max_examples=60, deadline=None)
@given(DIRECTORIES, FILES, DIRECTORIES, FILES)
def test_any_state_is_reached_from_any_other_and_then_nothing_changes(
    directories: Directories,
    files: Files,
    later_directories: Directories,
    later_files: Files,
) -> None:
    with tempfile.TemporaryDirectory() as home:
        node = Node(Path(home))
        node.converge(**parts(node, directories, files))
        later = parts(node, later_directories, later_files)
        before = node.tree()
        predicted = node.converge(check=True, **later)
        assert node.tree() == before
        done = node.converge(**later)
        assert done == predicted
        tree = node.tree()
        for path, (mode, _) in later_directories.items():
            assert tree[path] == f"{0o40000 | mode:o} "
        for path, (text, mode) in later_files.items():
            assert tree[path] == f"{0o100000 | mode:o} {text}"
        assert not node.converge(**later)["changed"]


@settings(max_examples=60, deadline=None)
@given(DIRECTORIES, FILES, FILES)
def test_an_uninstall_removes_what_was_made_and_nothing_else(
    directories: Directories,
    files: Files,
    others: Files,
) -> None:
    with tempfile.TemporaryDirectory() as home:
        node = Node(Path(home))
        strangers(node, others)
        before = node.tree()
        node.converge(**parts(node, directories, files))
        predicted = node.uninstall(wipe=True, check=True)
        assert node.uninstall(wipe=True) == predicted
        assert node.tree() == before
        assert not node.record.parent.exists()
        assert not node.uninstall(wipe=True)["changed"]


@settings(max_examples=60, deadline=None)
@given(DIRECTORIES, FILES)
def test_data_stays_until_it_is_wiped(directories: Directories, files: Files) -> None:
    with tempfile.TemporaryDirectory() as home:
        node = Node(Path(home))
        node.converge(**parts(node, directories, files))
        kept = {str(node.root / path) for path, (_, data) in directories.items() if data}
        for path in kept:
            (Path(path) / "table").write_text("rows")
        assert set(node.uninstall()["kept"]) == kept
        assert all((Path(path) / "table").read_text() == "rows" for path in kept)
        assert not node.uninstall()["changed"]
        node.converge(**parts(node, directories, files))
        assert all((Path(path) / "table").read_text() == "rows" for path in kept)
        node.uninstall(wipe=True)
        assert node.tree() == {}


def test_a_file_of_somebody_else_is_never_overwritten(node: Node) -> None:
    (node.root / "k3s.service").write_text("theirs")
    with pytest.raises(StateError, match=r"k3s\.service is there already and was not written by data-miner"):
        node.converge(files=(file(node.root / "new"), file(node.root / "k3s.service", "ours")))
    assert not (node.root / "new").exists()
    assert (node.root / "k3s.service").read_text() == "theirs"


def test_a_directory_in_place_of_a_file_is_named(node: Node) -> None:
    (node.root / "f").mkdir()
    with pytest.raises(StateError, match="is a directory, where a file is wanted"):
        node.converge(files=(file(node.root / "f"),))


def test_a_file_that_was_there_just_as_wanted_stays_somebody_elses(node: Node) -> None:
    (node.root / "f").write_text("x\n")
    (node.root / "f").chmod(0o644)
    checksums = {str(node.root / "f"): digest(b"x\n")}
    wishes: tuple[dict[str, Any], ...] = ({"files": (file(node.root / "f"),)}, {"checksums": checksums})
    for wish in wishes:
        assert not node.converge(**wish)["changed"]
        assert not node.uninstall()["changed"]
        assert (node.root / "f").read_text() == "x\n"
    with pytest.raises(StateError, match="was not written by data-miner"):
        node.converge(files=(file(node.root / "f", "y\n"),))


def test_a_file_of_a_run_that_was_interrupted_after_writing_it_is_ours(node: Node) -> None:
    too_long = node.root / ("f" * 250)  # for the name that it has while it is written
    with pytest.raises(StateError, match="File name too long"):
        node.converge(files=(file(node.root / "a"), file(too_long)))
    assert node.tree() == {"a": "100644 x\n"}
    assert not node.converge(files=(file(node.root / "a"),))["changed"]
    assert node.uninstall()["changes"] == [f"remove {node.root / 'a'}"]


def test_a_directory_that_was_there_before_is_never_removed(node: Node) -> None:
    (node.root / "d").mkdir()
    node.converge(directories=(directory(node.root / "d", 0o700, data=True),))
    assert not node.uninstall(wipe=True)["changed"]
    assert (node.root / "d").is_dir()


def test_a_secret_is_in_no_difference_and_not_in_the_record(node: Node) -> None:
    first = node.converge(files=(file(node.root / "token", "K10abc", 0o600, secret=True),))
    second = node.converge(files=(file(node.root / "token", "K10def", 0o600, secret=True),))
    assert first["changed"]
    assert second["changed"]
    assert "K10" not in json.dumps([first, second]) + node.record.read_text()


def test_a_block_lives_beside_what_others_write(node: Node) -> None:
    conf = node.root / "fuse.conf"
    conf.write_text("mount_max = 1000")
    node.converge(blocks=(block(conf),))
    assert "mount_max = 1000\n" in conf.read_text()
    assert "\nuser_allow_other\n" in conf.read_text()
    conf.write_text(conf.read_text() + "later = 1\n")
    assert not node.converge(blocks=(block(conf),))["changed"]
    node.converge(blocks=(block(conf, "other"),))
    assert "user_allow_other" not in conf.read_text()
    node.uninstall()
    assert conf.read_text() == "mount_max = 1000\nlater = 1\n"


def test_a_file_that_only_a_block_made_goes_with_it_unless_others_wrote_in_it(node: Node) -> None:
    ours, shared, empty = node.root / "d" / "ours", node.root / "shared", node.root / "empty"
    empty.write_text("")
    node.converge(blocks=(block(ours), block(shared), block(empty)))
    shared.write_text(shared.read_text() + "later = 1\n")
    assert node.uninstall(check=True) == node.uninstall()
    assert node.tree() == {"empty": "100644 ", "shared": "100644 later = 1\n"}


def test_a_block_keeps_the_bytes_of_a_file_in_another_encoding(node: Node) -> None:
    conf = node.root / "fuse.conf"
    conf.write_bytes(b"# \xe9t\xe9\x85\r\n")
    node.converge(blocks=(block(conf),))
    assert conf.read_bytes().startswith(b"# \xe9t\xe9\x85\r\n# BEGIN")
    assert not node.converge(blocks=(block(conf),))["changed"]
    node.uninstall()
    assert conf.read_bytes() == b"# \xe9t\xe9\x85\r\n"


def test_of_a_directory_of_ours_only_what_was_made_here_and_is_unwanted_goes(node: Node) -> None:
    images = node.root / "images"
    old, new = str(images / "old.tar"), str(images / "new.tar")
    node.converge(checksums={old: digest(b"x")}, files=(file(node.root / "f"),))
    for path in (Path(old), images / "theirs.tar"):
        path.write_text("x")
    later: dict[str, Any] = {"checksums": {new: digest(b"x")}, "only_wanted_in": (str(images),)}
    assert node.converge(check=True, **later)["changes"] == [f"remove {old}", f"deliver {new}"]
    node.converge(**later)
    assert sorted(path.name for path in images.iterdir()) == ["theirs.tar"]
    assert not node.converge(**later)["changed"]
    assert (node.root / "f").exists()


def test_a_file_that_is_no_longer_wanted_goes_only_if_it_was_made_here(node: Node) -> None:
    (node.root / "theirs").write_text("theirs")
    node.converge(files=(file(node.root / "ours"),))
    node.converge(absent=(str(node.root / "ours"), str(node.root / "theirs")))
    assert node.tree() == {"theirs": "100644 theirs"}


def test_a_stale_file_is_reported_and_belongs_to_the_role_from_then_on(node: Node) -> None:
    binary = node.root / "k3s"
    checksums = {str(binary): "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    assert node.converge(check=True, checksums=checksums)["changes"] == [f"deliver {binary}"]
    result = node.converge(checksums=checksums)
    assert result["stale"] == [str(binary)]
    assert not result["changed"]
    binary.write_text("x")
    assert node.converge(checksums=checksums)["stale"] == []
    assert node.uninstall()["changes"] == [f"remove {binary}"]


def test_two_roles_do_not_remove_each_others_files(node: Node) -> None:
    node.converge(files=(file(node.root / "ours"),))
    uninstall("other", node.record, wipe=True, check=False)
    assert node.tree() == {"ours": "100644 x\n"}


def test_a_damaged_record_is_named_with_the_remedy(node: Node) -> None:
    node.record.parent.mkdir()
    node.record.write_text("{")
    with pytest.raises(StateError, match=r"owned\.json.* is damaged .* remove it"):
        node.converge(files=(file(node.root / "f"),))


def test_the_check_on_a_bare_machine_writes_nothing(node: Node) -> None:
    node.converge(check=True, files=(file(node.root / "d" / "f"),))
    assert node.tree() == {}
    assert not node.record.parent.exists()


def test_a_directory_that_became_a_link_is_kept_with_all_that_it_leads_to(node: Node, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "inner").mkdir(parents=True)
    (elsewhere / "inner" / "table").write_text("rows")
    made = (directory(node.root / "d", data=True), directory(node.root / "e" / "inner", data=True))
    node.converge(directories=made)
    (node.root / "d").rmdir()
    (node.root / "d").symlink_to(elsewhere)
    (node.root / "e" / "inner").rmdir()
    (node.root / "e").rmdir()
    (node.root / "e").symlink_to(elsewhere)
    result = node.uninstall(wipe=True)
    assert result["kept"] == {
        str(node.root / "d"): f"leads to {elsewhere}, which was not made here",
        str(node.root / "e"): f"leads to {elsewhere}, which was not made here",
        str(node.root / "e" / "inner"): f"leads to {elsewhere}/inner, which was not made here",
    }
    assert not result["changed"]
    assert (elsewhere / "inner" / "table").read_text() == "rows"
    assert node.uninstall(wipe=True)["kept"] == result["kept"]


def test_a_directory_that_was_made_behind_a_link_is_wiped_there(node: Node, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (node.root / "data").symlink_to(tmp_path / "disk")
    for _ in range(2):
        node.converge(directories=(directory(node.root / "data" / "d", data=True),))
    (tmp_path / "disk" / "d" / "table").write_text("rows")
    assert node.uninstall(wipe=True)["kept"] == {}
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_tree_is_never_removed_through_a_link_and_links_in_it_go_alone(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "d").mkdir(parents=True)
    (tmp_path / "theirs" / "f").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    for path in (tmp_path / "link", tmp_path / "link" / "d"):
        with pytest.raises(LinkedError, match="leads to"):
            remove_tree(str(path))
    (tmp_path / "ours" / "a" / "b").mkdir(parents=True)
    (tmp_path / "ours" / "a" / "link").symlink_to(tmp_path / "theirs")
    remove_tree(str(tmp_path / "ours"))
    assert not (tmp_path / "ours").exists()
    assert (tmp_path / "theirs" / "f").read_text() == "theirs"


@pytest.mark.parametrize(("call", "gone"), [("unlink", "pipe"), ("rmdir", "b"), ("open", "b")])
def test_what_goes_by_itself_while_a_tree_is_removed_is_gone_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, gone: str
) -> None:
    tree = tmp_path / "tree"
    for name in ("a", "b", "c"):
        (tree / name).mkdir(parents=True)
        (tree / name / "pipe").touch()
    real = getattr(os, call)

    def too_late(path: str, *rest: Any, dir_fd: int | None = None) -> Any:
        if path == gone and call == "open":
            (tree / gone).rename(tmp_path / "elsewhere")
        elif path == gone:
            real(path, dir_fd=dir_fd)
        return real(path, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, call, too_late)
    remove_tree(str(tree))
    assert not tree.exists()
