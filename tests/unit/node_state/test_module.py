"""The module as Ansible runs it: check mode, difference, options, and secrets that stay secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from miner_cluster.cluster import CHECKOUT


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


def test_a_secret_is_written_and_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "d" / "token"
    options = {"files": [{"path": str(path), "secret_content": "K10hush", "mode": "0600"}]}
    done = play(tmp_path, options, "--diff", "-vvv")
    assert done.returncode == 0, done.stdout
    assert path.read_text() == "K10hush"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "K10hush" not in done.stdout + done.stderr
    assert "(a secret)" in done.stdout


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
