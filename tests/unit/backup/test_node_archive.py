"""What a server alone has, in one archive; its database copied while somebody writes to it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sqlite3
import tarfile
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.modules import load_module

node_archive = load_module("node_archive")
from ansible.module_utils import datastore  # noqa: E402 - there once the module was loaded


def save(tmp_path: Path, sources: list[str], server: str = "", *, check: bool = False) -> None:
    options = {
        "path": str(tmp_path / "out.tar.gz"),
        "sources": sources,
        "k3s_server": server,
        "_ansible_check_mode": check,
    }
    with patch_module_args(options), pytest.raises(SystemExit):
        node_archive.main()


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {
            member.name: extracted.read()
            for member in archive.getmembers()
            if (extracted := archive.extractfile(member)) is not None
        }


def test_what_is_there_is_saved_for_root_only_and_what_is_not_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "password").write_text("hunter2")
    save(tmp_path, [str(tmp_path / "secrets"), str(tmp_path / "none")])
    archive = tmp_path / "out.tar.gz"
    assert archive.stat().st_mode & 0o777 == 0o600
    assert members(archive) == {f"{tmp_path}/secrets/password".lstrip("/"): b"hunter2"}
    assert not (tmp_path / "out.tar.gz.partial").exists()


def test_a_database_that_is_being_written_is_copied_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = tmp_path / "server"
    (server / "db").mkdir(parents=True)
    database = sqlite3.connect(server / "db" / "state.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE kine (id integer, value text)")
    database.execute("INSERT INTO kine VALUES (1, 'committed')")
    database.commit()
    database.execute("INSERT INTO kine VALUES (2, 'not yet')")
    save(tmp_path, [], str(server))
    database.close()
    assert json.loads(capsys.readouterr().out)["datastore"] == "sqlite"
    copied = tmp_path / "copied.db"
    copied.write_bytes(members(tmp_path / "out.tar.gz")["datastore/state.db"])
    with sqlite3.connect(copied) as copy:
        assert copy.execute("SELECT value FROM kine").fetchall() == [("committed",)]
    copy.close()


def test_an_etcd_that_does_not_answer_fails_in_words_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "server" / "db" / "etcd").mkdir(parents=True)
    save(tmp_path, [], str(tmp_path / "server"))
    result = json.loads(capsys.readouterr().out)
    assert result["failed"]
    assert "etcd gives no snapshot" in result["msg"]
    assert [path.name for path in tmp_path.iterdir()] == ["server"]


def test_an_archive_of_nothing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, [str(tmp_path / "none")])
    assert f"Nothing of this is there: {tmp_path}/none" in json.loads(capsys.readouterr().out)["msg"]
    assert list(tmp_path.iterdir()) == []


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    save(tmp_path, [str(tmp_path)], check=True)
    assert not (tmp_path / "out.tar.gz").exists()


def test_a_snapshot_of_etcd_is_taken_only_when_it_came_whole(tmp_path: Path) -> None:
    pages = b"p" * 4096
    whole = pages + hashlib.sha256(pages).digest()
    lines = [
        json.dumps({"result": {"remaining_bytes": "9", "blob": base64.b64encode(part).decode()}}).encode()
        for part in (whole[:1000], whole[1000:])
    ]
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(b"".join(map(datastore.blob, lines)))
    datastore.check_etcd(snapshot)
    for broken in (whole[:-1], b"", whole[:2048] + whole[2560:], b"q" + whole[1:]):
        snapshot.write_bytes(broken)
        with pytest.raises(datastore.DatastoreError, match="did not come whole"):
            datastore.check_etcd(snapshot)
    with pytest.raises(datastore.DatastoreError, match="permission denied"):
        datastore.blob(b'{"error": {"message": "permission denied"}}')
    with pytest.raises(datastore.DatastoreError, match="gives no snapshot"):
        datastore.blob(io.BytesIO(b"<html>").read())
