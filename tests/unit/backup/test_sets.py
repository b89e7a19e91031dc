"""A backup is whole or none, is checked before it is used, and old ones go."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.backup import sets
from miner_cluster.backup.errors import BackupError
from tests.modules import load_module

NOW = datetime(2026, 3, 1, 3, 17, tzinfo=UTC)


def made(root: Path, now: datetime = NOW, **files: str) -> Path:
    """Make a whole backup with some files."""
    partial = sets.begin(root, now=now)
    for name, text in (files or {"part": "content"}).items():
        (partial / name).parent.mkdir(exist_ok=True)
        (partial / name).write_text(text)
    return sets.finish(partial, cluster="lab", parts={"postgres": {"schema": 2}})


def test_a_finished_backup_is_whole_and_its_owners_only(tmp_path: Path) -> None:
    os.umask(0o022)
    path = made(tmp_path / "a" / "lab")
    assert path.name == "20260301T031700Z"
    manifest = sets.verify(path)
    assert (manifest.cluster, manifest.made_at) == ("lab", "2026-03-01T03:17:00+00:00")
    assert manifest.parts == {"postgres": {"schema": 2}}
    modes = {p.name: p.stat().st_mode & 0o777 for p in (path.parent, path, *path.iterdir())}
    assert modes == {"lab": 0o700, path.name: 0o700, "part": 0o600, "manifest.json": 0o600}


def test_what_was_interrupted_is_never_taken_for_a_backup(tmp_path: Path) -> None:
    partial = sets.begin(tmp_path, now=NOW)
    (partial / "part").write_text("half")
    assert sets.complete(tmp_path) == []
    with pytest.raises(BackupError, match="was interrupted"):
        sets.verify(partial)
    with pytest.raises(BackupError, match=r"holds no finished backup; make one with"):
        sets.choose(tmp_path, "")
    # Not even by its name: without a manifest it is none.
    partial.rename(tmp_path / "20260301T031700Z")
    assert sets.complete(tmp_path) == []
    with pytest.raises(BackupError, match="not copied whole"):
        sets.verify(tmp_path / "20260301T031700Z")


def test_an_empty_backup_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no part was saved"):
        sets.finish(sets.begin(tmp_path, now=NOW), cluster="lab", parts={})


def test_every_file_that_is_not_as_it_was_is_named(tmp_path: Path) -> None:
    path = made(tmp_path, one="1", two="2", three="3")
    (path / "one").write_text("changed")
    (path / "two").unlink()
    (path / "four").write_text("4")
    with pytest.raises(BackupError) as caught:
        sets.verify(path)
    assert "two is missing" in str(caught.value)
    assert "four is not in the manifest" in str(caught.value)
    assert "one has changed" in str(caught.value)
    assert "three" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 9}'])
def test_a_manifest_that_is_none_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = made(tmp_path)
    (path / sets.MANIFEST).write_text(text)
    with pytest.raises(BackupError, match=r"is damaged|has format 9"):
        sets.verify(path)


def test_the_latest_is_chosen_unless_one_is_named(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path, NOW + timedelta(days=1))
    assert sets.choose(tmp_path, "") == second
    assert sets.choose(tmp_path, first.name) == first
    assert sets.choose(tmp_path, str(first)) == first
    with pytest.raises(BackupError, match="holds no finished backup 2020; the latest are: 20260301"):
        sets.choose(tmp_path, "2020")


def test_the_newest_are_kept_and_what_an_interrupted_one_left_goes_a_day_later(tmp_path: Path) -> None:
    paths = [made(tmp_path, NOW + timedelta(days=day)) for day in range(4)]
    left = sets.begin(tmp_path, now=NOW + timedelta(days=9))
    (tmp_path / "mine").mkdir()
    now_s = left.stat().st_mtime
    assert sets.prune(tmp_path, None, now_s=now_s) == []
    assert sets.prune(tmp_path, 2, now_s=now_s) == [path.name for path in paths[:2]]
    assert sets.prune(tmp_path, 2, now_s=now_s + 2 * sets.ABANDONED_S) == [left.name]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([paths[2].name, paths[3].name, "mine"])


def test_what_was_just_made_stays_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    for day in range(2):
        made(tmp_path, NOW + timedelta(days=day))
    begun = sets.begin(tmp_path, now=NOW - timedelta(days=900))
    (begun / "postgres").write_text("rows")
    options = {"state": "finished", "dir": str(tmp_path), "path": str(begun), "cluster": "lab", "parts": {}}
    result = load_module("backup_set").run({**options, "keep": 2, "remote": ""}, check=False)
    assert sets.verify(Path(result["path"])).cluster == "lab"
    assert result["removed"] == []


@given(
    st.lists(st.integers(min_value=0, max_value=10**6), unique=True),
    st.integers(min_value=1, max_value=20),
)
def test_of_any_backups_exactly_the_newest_stay(seconds: list[int], keep: int) -> None:
    names = [f"{NOW + timedelta(seconds=second):%Y%m%dT%H%M%SZ}" for second in seconds]
    gone = sets.superseded([*names, "not-ours"], keep)
    left = set(names) - set(gone)
    assert len(left) == min(keep, len(names))
    assert "not-ours" not in gone
    assert all(old < new for old in gone for new in left)


def test_another_clusters_backup_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    verify = {"state": "verified", "dir": str(tmp_path), "remote": "", "name": ""}
    module = load_module("backup_set")
    assert module.run({**verify, "cluster": "lab"}, check=False)["parts"] == {"postgres": {"schema": 2}}
    with pytest.raises(BackupError, match=r"of the cluster lab, and this is other; .* -e from_cluster=lab"):
        module.run({**verify, "cluster": "other"}, check=False)


def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    options = {"state": "begun", "dir": str(tmp_path / "new"), "cluster": "lab"}
    assert load_module("backup_set").run(options, check=True)["changed"]
    assert not (tmp_path / "new").exists()


def test_a_manifest_holds_no_more_than_sizes_and_checksums_of_files(tmp_path: Path) -> None:
    path = made(tmp_path, password="hunter2")  # noqa: S106 - none
    text = (path / sets.MANIFEST).read_text()
    assert "hunter2" not in text
    assert json.loads(text)["files"]["password"]["bytes"] == 7
