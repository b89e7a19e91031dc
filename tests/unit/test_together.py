"""Commands that run side by side end together, and have the time to clean up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT

BESIDE = """\
import pathlib, sys, time
directory = pathlib.Path(sys.argv[1])
(directory / "begun").touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    (directory / "cleaned").touch()
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_what_is_typed_at_a_terminal_ends_each_command_once(tmp_path: Path, sent: signal.Signals) -> None:
    beside = [sys.executable, "-c", BESIDE, str(tmp_path)]
    run = subprocess.Popen(
        ["env", "--default-signal=INT,HUP", CHECKOUT / "scripts/together", "sleep", "60", "--", *beside],
        start_new_session=True,
    )
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    os.killpg(run.pid, sent)
    assert run.wait(timeout=30) == 130
    assert (tmp_path / "cleaned").exists()


def test_one_that_fails_is_named_and_the_others_run_to_their_end() -> None:
    run = subprocess.run(
        [CHECKOUT / "scripts/together", "echo", "first", "--", "false", "it", "--", "echo", "last"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == "first\n\n==> false it\n\n==> echo last\nlast\n"
