"""Copies of backups at a remote, with the real rclone and a directory for a remote."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from miner_cluster.backup import remote, sets
from miner_cluster.backup.errors import BackupError
from tests.modules import load_module
from tests.unit.backup.test_sets import NOW, made


def test_a_missing_rclone_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="apt-get install rclone"):
        remote.names("nas:backups")


def test_the_latest_of_here_and_the_remote_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A controller that was away for a while has older ones than another one has made since."""
    first, second = made(tmp_path / "here"), made(tmp_path / "there", NOW + timedelta(days=1))
    there = [first.name]
    monkeypatch.setattr(remote, "names", lambda _: there)
    monkeypatch.setattr(remote, "receive", lambda *_: second)
    options = {"state": "verified", "cluster": "lab", "remote": "nas:", "name": "", "dir": str(first.parent)}
    verify = load_module("backup_set").run
    assert verify(options, check=False)["path"] == str(first)
    there.append(second.name)
    assert verify(options, check=False)["path"] == str(second)
    assert verify({**options, "name": first.name}, check=False)["path"] == str(first)


def test_a_remote_that_is_away_is_said_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backup = made(tmp_path / "here")
    monkeypatch.setenv("PATH", str(tmp_path))
    options = {"state": "verified", "cluster": "lab", "remote": "nas:", "name": "", "dir": str(backup.parent)}
    with pytest.raises(BackupError, match=f"remote has a later backup.*-e backup={backup.name}"):
        load_module("backup_set").run(options, check=False)


needs_rclone = pytest.mark.skipif(
    shutil.which("rclone") is None, reason="rclone is optional and not installed"
)


@needs_rclone
def test_backups_are_copied_whole_pruned_and_brought_back(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    backups = [made(here, NOW + timedelta(days=day)) for day in range(3)]
    removed = [remote.send(backup, str(there), 2) for backup in backups]
    assert removed == [[], [], [backups[0].name]]
    assert remote.names(str(there)) == [backup.name for backup in backups[1:]]
    shutil.rmtree(here)
    path = remote.receive(str(there), "", here)
    assert path == here / backups[2].name
    assert sets.verify(path).cluster == "lab"
    assert {p.stat().st_mode & 0o077 for p in (here, path, *path.iterdir())} == {0}
    with pytest.raises(BackupError, match=f"no finished backup {backups[0].name}; the latest there: 2026"):
        remote.receive(str(there), backups[0].name, here)


@needs_rclone
def test_half_a_copy_at_the_remote_is_no_backup(tmp_path: Path) -> None:
    backup = made(tmp_path / "here")
    remote.send(backup, str(tmp_path / "there"), None)
    (tmp_path / "there" / backup.name / sets.MANIFEST).unlink()
    assert remote.names(str(tmp_path / "there")) == []


@needs_rclone
def test_a_backup_that_is_only_at_the_remote_is_found_by_a_restore(tmp_path: Path) -> None:
    backup = made(tmp_path / "here")
    remote.send(backup, str(tmp_path / "there" / "lab"), None)
    options = {"state": "verified", "cluster": "lab", "remote": str(tmp_path / "there"), "name": ""}
    found = load_module("backup_set").run({**options, "dir": str(tmp_path / "new")}, check=False)
    assert found["path"] == str(tmp_path / "new" / backup.name)
