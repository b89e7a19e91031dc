"""The module as Ansible runs it: check mode, difference, options, and secrets that stay secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from miner_cluster.cluster import CHECKOUT
from tests.modules import load_module


def play(tmp_path: Path, options: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one task with the module on this machine."""
    task = {"node_state": {"name": "role", "record": str(tmp_path / "state" / "owned.json"), **options}}
    book = tmp_path / "play.yml"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
    return subprocess.run(
        [*command, *arguments, str(book)],
        cwd=CHECKOUT,
        env={**os.environ, "ANSIBLE_INVENTORY_ENABLED": "host_list", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


TEXT = "users: 'K10hush'\n- token: \\K10hush\n"


def with_secret(path: Path) -> dict[str, Any]:
    return {"files": [{"path": str(path), "mode": "0600"}], "secrets": {str(path): TEXT}}


def test_a_secret_is_written_and_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "d" / "token"
    done = play(tmp_path, with_secret(path), "--diff", "-vvv")
    assert done.returncode == 0, done.stdout
    assert path.read_text() == TEXT
    assert path.stat().st_mode & 0o777 == 0o600
    assert "K10hush" not in done.stdout + done.stderr
    assert "(a secret)" in done.stdout


@pytest.mark.parametrize("has_journal", [False, True])
def test_a_secret_is_not_in_the_log_of_the_machine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    has_journal: bool,
) -> None:
    logged: list[str] = []
    journal = SimpleNamespace(send=lambda **fields: logged.append(str(fields)))
    monkeypatch.setattr(basic, "has_journal", has_journal)
    monkeypatch.setattr(basic, "journal", journal, raising=False)
    monkeypatch.setattr(basic.syslog, "syslog", lambda _, line: logged.append(line))
    options = {"name": "role", "record": str(tmp_path / "state" / "owned.json")}
    with (
        patch_module_args({**options, **with_secret(tmp_path / "token")}),
        pytest.raises(SystemExit),
    ):
        load_module("node_state").main()
    assert "K10hush" not in capsys.readouterr().out
    [line] = logged
    assert "Invoked with" in line
    assert "hush" not in line


def test_a_file_has_one_content(tmp_path: Path) -> None:
    files = [{"path": str(tmp_path / "f")}]
    assert "must have its content in either files or secrets" in play(tmp_path, {"files": files}).stdout


def test_check_mode_shows_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    done = play(tmp_path, {"files": [{"path": str(path), "content": "new\n"}]}, "--check", "--diff")
    assert "+new" in done.stdout
    assert "changed=1" in done.stdout
    assert not path.exists()
    assert not (tmp_path / "state").exists()


def test_a_mode_that_is_none_is_named(tmp_path: Path) -> None:
    options = {"directories": [{"path": str(tmp_path / "d"), "mode": "rwx"}]}
    done = play(tmp_path, options)
    assert done.returncode != 0
    assert "mode 'rwx' is not octal" in done.stdout


def test_an_unknown_user_is_named(tmp_path: Path) -> None:
    options = {"directories": [{"path": str(tmp_path / "d"), "owner": "nobody-of-that-name"}]}
    assert "there is no user nobody-of-that-name" in play(tmp_path, options).stdout


def test_a_disk_that_is_too_small_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    disk = {"path": str(tmp_path / "data"), "at_least_mb": 10**9, "reason": "lower disk_limit_mb"}
    done = play(tmp_path, {"disks": [disk], "directories": [{"path": str(tmp_path / "d")}]})
    assert "needs 1000000000 MB: lower disk_limit_mb" in done.stdout
    assert not (tmp_path / "d").exists()
