"""Tasks that run in Ansible's own process end with the run."""

from __future__ import annotations

import subprocess
import sys

RUN = """
import os, time
from miner_cluster.in_process import end_with_parent

if os.fork() == 0:
    os.setsid()
    end_with_parent()
    print(os.getpid(), flush=True)
time.sleep(60)
"""
PATIENCE_S = 10


def test_a_task_of_a_run_that_is_killed_does_not_go_on() -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.kill()
        # The task has the pipe too, which so ends with it.
        run.communicate(timeout=PATIENCE_S)
