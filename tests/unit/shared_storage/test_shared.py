"""Passing files and making directories on the shared storage, on a directory in its place."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from module_utils.shared_mount import is_mounted
from tests.modules import load_module

shared_file = load_module("shared_file")
shared_directory = load_module("shared_directory")


def test_a_file_is_read_where_it_arrives_and_missed_where_not(tmp_path: Path) -> None:
    root = tmp_path / ".data-miner-verify"
    shared_file.write(root, "one", "4711")
    shared_file.read(root, ["one"], "4711", 1)
    with pytest.raises(shared_file.SharedMountError, match="the file of two does not get here"):
        shared_file.read(root, ["one", "two"], "4711", 0)


def test_a_file_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    shared_file.write(tmp_path / "files", "one", "earlier")
    with pytest.raises(shared_file.SharedMountError, match="the file of one"):
        shared_file.read(tmp_path / "files", ["one"], "now", 0)


def test_a_machine_without_the_mount_says_where_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"mount": str(tmp_path), "data_dir": str(tmp_path), "action": "write", "name": "one"}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        shared_file.main()
    message = json.loads(capsys.readouterr().out)["msg"]
    assert "does not work here: it is not mounted" in message
    assert message.endswith("kubectl get pods -A -o wide -l app.kubernetes.io/name=mount")


def test_cleaning_leaves_nothing_and_twice_is_fine(tmp_path: Path) -> None:
    root = tmp_path / "files"
    shared_file.write(root, "one", "4711")
    shared_file.clean(root)
    shared_file.clean(root)
    assert not root.exists()


def test_what_hangs_ends_in_time() -> None:
    bounded = shared_file.bounded
    assert bounded(0.1, threading.Event().wait) == "it did not answer in time"
    assert bounded(5, Path("/nowhere/at/all").read_text).startswith("[Errno 2]")
    assert bounded(5, len, "x") == ""


def test_a_plain_directory_is_no_mount(tmp_path: Path) -> None:
    assert not is_mounted(str(tmp_path))
    assert not is_mounted("/")


def test_a_directory_is_made_with_what_is_missing_above_it(tmp_path: Path) -> None:
    path = tmp_path / "project" / "output"
    assert shared_directory.owner_of(path) is None
    shared_directory.make(path, os.getuid())
    shared_directory.make(path, os.getuid())
    assert shared_directory.owner_of(path) == os.getuid()
