"""The program that ran before an upgrade: when it is kept, when it is put back, and how."""

from __future__ import annotations

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
