"""What a lab needs of the machine that it is on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from miner_cluster.lab import commands, host
from miner_cluster.lab.errors import LabError


def test_another_user_than_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        host.require_root_and_programs()


def test_missing_programs_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match=r"podman, runc.*scripts/bootstrap lab"):
        host.require_root_and_programs()


def test_a_kernel_without_a_feature_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "FEATURES", {"/nowhere": "no-such-module"})
    with pytest.raises(LabError, match="this kernel has no no-such-module"):
        host.require_features()


def test_values_are_recorded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "RECORD", tmp_path / "sysctls.json")
    assert host.recorded_sysctls() == {}
    host.record_sysctls({"vm.overcommit_memory": 0})
    host.record_sysctls({"vm.overcommit_memory": 1})
    assert host.recorded_sysctls() == {"vm.overcommit_memory": 0}


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "RUNTIME", tmp_path)
    monkeypatch.setattr(host, "LOCK_WAIT_S", 0.1)
    with host.lock(), pytest.raises(LabError, match="another run"), host.lock():
        pass
    with host.lock():
        pass


def test_a_failed_program_is_named_with_the_last_line_that_it_said() -> None:
    with pytest.raises(LabError, match=r"sh echo a >&2; echo b >&2; exit 3 …: exit code 3: b"):
        commands.run("sh", "-c", "echo a >&2; echo b >&2; exit 3")
    assert commands.run("sh", "-c", "echo fine; exit 3", ok=(3,)) == "fine\n"
    with pytest.raises(LabError, match="no-such-program is not installed"):
        commands.run("no-such-program")
