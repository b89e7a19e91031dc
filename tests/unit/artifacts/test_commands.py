"""Commands of builds: what they say is kept, and what they leave is ended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from miner_cluster.artifacts.commands import Commands, Interrupted
from miner_cluster.artifacts.recipe import ArtifactError


def run(commands: Commands, tmp_path: Path, *argv: str) -> str:
    return commands.run(argv, cwd=tmp_path, env=os.environ, log=tmp_path / "log")


def test_what_a_command_prints_is_returned(tmp_path: Path) -> None:
    commands = Commands()
    assert run(commands, tmp_path, "echo", "one") == "one\n"
    assert run(commands, tmp_path, "echo", "two") == "two\n"


def test_a_failure_ends_with_what_the_command_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"sh failed with exit code 3; .*:\nno such mirror$"):
        run(Commands(), tmp_path, "sh", "-c", "echo no such mirror >&2; exit 3")


def test_a_missing_program_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no-such-program is not installed; run scripts/bootstrap lab"):
        run(Commands(), tmp_path, "no-such-program")


def test_giving_up_ends_what_runs_and_lets_nothing_start(tmp_path: Path) -> None:
    commands = Commands()
    timer = threading.Timer(0.3, commands.cancel)
    timer.start()
    with pytest.raises(Interrupted):
        run(commands, tmp_path, "sleep", "600")
    timer.join()
    with pytest.raises(Interrupted):
        run(commands, tmp_path, "true")
