"""Whether a recorded state still holds is told without asking for it again, whatever happened meanwhile."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from module_utils.node_state.control import converge
from module_utils.node_state.met import still_met
from module_utils.node_state.model import WantedDisk, digest
from tests.unit.node_state.conftest import Node, block, directory, file, wanted
from tests.unit.node_state.test_files import DIRECTORIES, FILES, Directories, Files, parts


def states(node: Node) -> dict[str, str]:
    """The inputs of each recorded state that holds."""
    return {name: state["inputs"] for name, state in still_met(node.record).items()}


@settings(max_examples=60, deadline=None)
@given(DIRECTORIES, FILES, DIRECTORIES, FILES)
def test_a_state_holds_exactly_when_asking_for_it_again_would_change_nothing(
    directories: Directories, files: Files, later_directories: Directories, later_files: Files
) -> None:
    with tempfile.TemporaryDirectory() as home:
        node = Node(Path(home))
        first = parts(node, directories, files)
        node.converge(**first)
        assert states(node) == {"role": ""}
        record = node.record.read_bytes()
        node.converge(**parts(node, later_directories, later_files))
        node.record.write_bytes(record)
        assert (states(node) == {"role": ""}) == (not node.converge(check=True, **first)["changed"])


def spoil_content(root: Path) -> None:
    (root / "a.txt").write_text("y\n")


def spoil_mode(root: Path) -> None:
    (root / "a.txt").chmod(0o600)


def spoil_secret(root: Path) -> None:
    (root / "token").write_text("other\n")


def spoil_by_removal(root: Path) -> None:
    (root / "token").unlink()


def spoil_block(root: Path) -> None:
    (root / "fuse.conf").write_text("")


def spoil_directory(root: Path) -> None:
    (root / "data").rmdir()


def spoil_program(root: Path) -> None:
    """As a disk that rots would, but for the time of the change."""
    (root / "k3s").write_bytes(b"programmo")


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_content,
        spoil_mode,
        spoil_secret,
        spoil_by_removal,
        spoil_block,
        spoil_directory,
        spoil_program,
    ],
)
def test_whatever_is_changed_by_hand_is_noticed(node: Node, spoil: Callable[[Path], None]) -> None:
    (node.root / "k3s").write_bytes(b"programme")
    state = wanted(
        directories=(directory(node.root / "data"),),
        files=(file(node.root / "a.txt"), file(node.root / "token", "hunter2\n", 0o600, secret=True)),
        blocks=(block(node.root / "fuse.conf"),),
        checksums={str(node.root / "k3s"): digest(b"programme")},
    )
    converge(state, node.record, check=False, inputs="4711")
    assert still_met(node.record) == {
        "role": {"inputs": "4711", "secrets": {str(node.root / "token"): digest(b"hunter2\n")}}
    }
    spoil(node.root)
    assert states(node) == {}
    assert b"hunter2" not in node.record.read_bytes()


def test_a_big_file_that_was_only_touched_is_read_again_once_by_the_role(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node.root / "k3s").write_bytes(b"programme")
    checksums = {str(node.root / "k3s"): digest(b"programme")}
    node.converge(checksums=checksums)
    os.utime(node.root / "k3s", (0, 0))
    with monkeypatch.context() as looking:
        looking.setattr("module_utils.node_state.observe.look", lambda *_, **__: pytest.fail("was read"))
        assert states(node) == {}
    assert not node.converge(checksums=checksums)["changed"]
    assert states(node) == {"role": ""}


def test_a_state_that_waits_for_a_file_is_not_met(node: Node) -> None:
    node.converge(checksums={str(node.root / "k3s"): digest(b"programme")})
    assert states(node) == {}


def test_an_interrupted_change_is_not_met_and_neither_is_the_state_before(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.converge(files=(file(node.root / "a.txt", "old\n"),))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("module_utils.node_state.control.apply", killed)
    with pytest.raises(KeyboardInterrupt):
        node.converge(files=(file(node.root / "a.txt", "new\n"),))
    assert states(node) == {}


def test_check_mode_records_nothing(node: Node) -> None:
    node.converge(check=True, files=(file(node.root / "a.txt"),))
    assert not node.record.exists()


def test_a_second_time_writes_nothing(node: Node) -> None:
    node.converge(files=(file(node.root / "a.txt"),))
    before = node.record.stat()
    node.converge(files=(file(node.root / "a.txt"),))
    assert node.record.stat().st_ino == before.st_ino


def test_a_disk_that_became_too_small_is_noticed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.converge(disks=(WantedDisk(path=str(node.root), at_least_mb=1, reason="r"),))
    assert states(node) == {"role": ""}
    monkeypatch.setattr("module_utils.node_state.observe.MIB", 1 << 60)
    assert states(node) == {}


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1, "names": {"role": {"met": {"wanted": {}}}}}'])
def test_a_damaged_record_tells_nothing(node: Node, text: str) -> None:
    node.record.parent.mkdir(exist_ok=True)
    node.record.write_text(text)
    assert states(node) == {}
