"""Stopping k3s without uninstalling it: only one that is recorded as ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.modules import load_module

#: answers as systemctl does for a server that runs, and writes down what else it is asked
SYSTEMCTL = """#!/bin/sh
[ "$1" = show ] || { echo "$@" >> @LOG@; exit 0; }
for unit; do case $unit in
    k3s.service) printf 'Id=%s\\nActiveState=active\\n\\n' "$unit" ;;
    *.service) printf 'Id=%s\\nActiveState=inactive\\n\\n' "$unit" ;;
esac; done
"""
Stop = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stop:
    """Run the module with a record that holds these names; return its result and what systemctl was told."""
    module = load_module("k3s_uninstall")
    run = __import__("ansible.module_utils.node_state.run", fromlist=["ENVIRONMENT"])
    log, programs = tmp_path / "log", tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL.replace("@LOG@", str(log)))
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setitem(run.ENVIRONMENT, "PATH", f"{programs}:{run.ENVIRONMENT['PATH']}")
    monkeypatch.setenv("PATH", run.ENVIRONMENT["PATH"])

    def act(*names: str, check: bool = False) -> tuple[dict[str, Any], str]:
        entry: dict[str, Any] = {"files": [], "blocks": [], "directories": {}, "units": {}}
        record = tmp_path / "owned.json"
        record.write_text(json.dumps({"version": 1, "names": dict.fromkeys(names, entry)}))
        options = {"state": "stopped", "record": str(record), "_ansible_check_mode": check}
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out), log.read_text() if log.exists() else ""

    return act


def test_our_k3s_is_stopped_and_nothing_else_is_done(stop: Stop) -> None:
    result, told = stop("common", "k3s")
    assert (result["changed"], result["changes"]) == (True, ["stop k3s.service"])
    assert told == "stop k3s.service\n"


def test_check_mode_says_so_and_does_nothing(stop: Stop) -> None:
    result, told = stop("k3s", check=True)
    assert result["changes"] == ["stop k3s.service"]
    assert told == ""


def test_the_k3s_of_somebody_else_goes_on(stop: Stop) -> None:
    result, told = stop("common")
    assert (result["changed"], told) == (False, "")
