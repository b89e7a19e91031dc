"""The program that ran before an upgrade: when it is kept, when it is put back, and how."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from tests.modules import load_module

module = load_module("k3s_previous")
OLD, OLDER, NEW = "a" * 64, "b" * 64, "c" * 64


@pytest.mark.parametrize(
    ("running", "kept", "wanted"),
    [(OLD, "", True), (OLD, OLDER, True), (OLD, OLD, False), (NEW, OLD, False), ("", "", False)],
    ids=["first upgrade", "next upgrade", "kept already", "interrupted after the exchange", "no k3s"],
)
def test_what_runs_is_kept_unless_it_is_the_next_one(running: str, kept: str, wanted: bool) -> None:
    assert module.must_keep(running, kept, NEW) is wanted


def test_what_is_kept_is_put_back_only_where_the_next_one_is() -> None:
    assert module.must_restore(NEW, OLD, NEW)
    assert not module.must_restore(OLD, OLDER, NEW)
    for kept in ("", NEW):
        with pytest.raises(module.StateError, match="there is no other program in"):
            module.must_restore(NEW, kept, NEW)


def test_a_program_is_never_half_there(tmp_path: Path) -> None:
    source, target = tmp_path / "k3s", tmp_path / "previous" / "k3s"
    source.write_bytes(b"old")
    assert module.sha256(target) == ""
    module.put(source, target)
    assert target.read_bytes() == b"old"
    assert target.stat().st_mode & 0o777 == 0o755
    with target.open("rb") as running:
        source.write_bytes(b"new")
        module.put(source, target)
        assert running.read() == b"old"
    assert module.sha256(target) == module.sha256(source)
    assert [path.name for path in target.parent.iterdir()] == ["k3s"]


class Machine:
    """A machine's directories, in which programs say their version and count their starts."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.k3s, self.kept = root / "k3s", root / "previous/k3s"
        self.archives = root / "images"
        self.archives.mkdir()
        self.started = 0
        names = {"K3S": self.k3s, "KEPT": self.kept, "ARCHIVES": self.archives}
        for name, path in (names | {"KEPT_ARCHIVES": self.kept.with_name("images")}).items():
            monkeypatch.setattr(module, name, path)
        monkeypatch.setattr(module, "start", self.start)

    def start(self, unit: str, start_timeout_s: float, *, restart: bool) -> None:
        assert (unit, start_timeout_s, restart) == ("k3s", 300, True)
        self.started += 1

    def get(self, version: str) -> None:
        """Bring a program and its archive, as the role does, which leaves no others there."""
        for path in self.archives.iterdir():
            path.unlink()
        (self.archives / f"{version}.tar").write_text(version)
        self.k3s.write_text(f"#!/bin/sh\necho 'k3s version {version} (abc)'\n")
        self.k3s.chmod(0o755)

    def do(self, what: str, *, runs: str, following: str = "", check: bool = False) -> bool:
        digest = hashlib.sha256(f"#!/bin/sh\necho 'k3s version {following} (abc)'\n".encode()).hexdigest()
        params = {"next_sha256": digest, "version": runs, "unit": "k3s", "start_timeout_s": 300}
        changed: bool = getattr(module, what)(params, check=check)
        return changed

    def names(self) -> list[str]:
        return sorted(path.name for path in self.archives.iterdir())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_an_older_program_gets_its_own_archives_back(machine: Machine) -> None:
    machine.get("v1")
    assert machine.do("keep", runs="v1", following="v2")
    assert not machine.do("keep", runs="v1", following="v2")
    machine.get("v2")
    assert machine.do("restore", runs="v1", following="v2")
    assert module.ran(machine.k3s, "v1")
    assert machine.names() == ["v1.tar", "v2.tar"]
    assert machine.started == 1
    assert machine.do("forget", runs="v1")
    assert not machine.do("forget", runs="v1")
    assert module.ran(machine.kept, "v1")


def test_a_program_that_never_ran_takes_no_good_ones_place(machine: Machine) -> None:
    machine.get("v1")
    machine.do("keep", runs="v1", following="v2")
    machine.get("v2")  # and killed before it was started
    assert not machine.do("keep", runs="v1", following="v3")
    machine.get("v3")
    assert machine.do("restore", runs="v1", following="v3")
    assert module.ran(machine.k3s, "v1")
    assert machine.names() == ["v1.tar", "v3.tar"]


def test_a_program_of_an_upgrade_long_ago_is_not_put_back(machine: Machine) -> None:
    """Where somebody has exchanged the program under the k3s that runs, there is nothing to keep."""
    machine.get("v1")
    machine.do("keep", runs="v1", following="v2")
    machine.get("v3")
    assert not machine.do("keep", runs="v2", following="v3")
    with pytest.raises(module.StateError, match=r"is not v2, which ran before.* Put v2 in place of "):
        machine.do("restore", runs="v2", following="v3")
    assert module.ran(machine.k3s, "v3")
    assert machine.started == 0


def test_an_archive_of_the_same_name_is_put_back_too(machine: Machine) -> None:
    machine.get("v1")
    (machine.archives / "pause.tar").write_text("old")
    machine.do("keep", runs="v1", following="v2")
    machine.get("v2")
    (machine.archives / "pause.tar").write_text("new")
    machine.do("restore", runs="v1", following="v2")
    assert (machine.archives / "pause.tar").read_text() == "old"


def test_archives_on_another_file_system_are_copied(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(_: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(target))

    monkeypatch.setattr(module.os, "link", link)
    machine.get("v1")
    machine.do("keep", runs="v1", following="v2")
    machine.get("v2")
    machine.do("restore", runs="v1", following="v2")
    assert machine.names() == ["v1.tar", "v2.tar"]


def test_check_mode_keeps_restores_and_forgets_nothing(machine: Machine) -> None:
    machine.get("v1")
    assert machine.do("keep", runs="v1", following="v2", check=True)
    assert not machine.kept.exists()
    machine.do("keep", runs="v1", following="v2")
    machine.get("v2")
    assert machine.do("restore", runs="v1", following="v2", check=True)
    assert machine.do("forget", runs="v1", check=True)
    assert module.ran(machine.k3s, "v2")
    assert module.KEPT_ARCHIVES.exists()
    assert machine.started == 0
