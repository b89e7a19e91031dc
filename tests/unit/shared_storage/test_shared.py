"""Passing files and making directories on the shared storage, on a directory in its place."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from module_utils.shared_mount import is_mounted
from tests.modules import call, load_module

shared_file = load_module("shared_file")
shared_directory = load_module("shared_directory")


def exchanged(root: Path, names: list[str], *, of: list[str], timeout_s: float = 10) -> list[str]:
    """Let machines exchange files through a directory at the same time; return what went wrong."""

    def one(name: str) -> str:
        try:
            shared_file.exchange(root, name, of, "4711", timeout_s)
        except shared_file.SharedMountError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(names)) as machines:
        return [failure for failure in machines.map(one, names) if failure]


def test_machines_exchange_their_files_and_leave_nothing(tmp_path: Path) -> None:
    names = [f"node-{number}" for number in range(8)]
    assert exchanged(tmp_path, names, of=names) == []
    assert [*tmp_path.iterdir()] == []


def test_a_machine_that_does_not_take_part_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    found = exchanged(tmp_path, ["one", "two"], of=["one", "two", "three"], timeout_s=0.3)
    assert len(found) == 2
    assert all("three does not get here" in failure for failure in found)
    assert [*tmp_path.iterdir()] == []


def test_a_file_of_an_earlier_run_does_not_count_and_stays(tmp_path: Path) -> None:
    (tmp_path / ".data-miner-verify-two").write_text("earlier")
    assert "the file of two" in exchanged(tmp_path, ["one"], of=["one", "two"], timeout_s=0.1)[0]
    assert [path.name for path in tmp_path.iterdir()] == [".data-miner-verify-two"]


def test_a_write_that_is_refused_for_a_moment_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [OSError(5, "Input/output error")] * 3

    def fsync(_: int) -> None:
        if refusals:
            raise refusals.pop()

    monkeypatch.setattr(shared_file.os, "fsync", fsync)
    assert exchanged(tmp_path, ["one", "two"], of=["one", "two"]) == []
    assert [*tmp_path.iterdir()] == []


def test_a_write_that_is_refused_for_good_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shared_file.os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        shared_file.exchange(tmp_path, "one", ["one"], "4711", 0.2)
    assert [*tmp_path.iterdir()] == []


def test_a_machine_without_the_mount_says_where_to_look(tmp_path: Path) -> None:
    arguments = {"mount": str(tmp_path), "data_dir": str(tmp_path), "action": "exchange", "name": "one"}
    message = call(shared_file, arguments)["problem"]
    assert "does not work there: it is not mounted" in message
    assert message.endswith("kubectl get pods -A -o wide -l app.kubernetes.io/name=mount")


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
