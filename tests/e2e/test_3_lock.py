"""Two operators: the second is told who is at work, and a run that was killed is in nobody's way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab


@contextlib.contextmanager
def at_work(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """A run of site.yml that has the lock, and its output from there on."""
    with lab.start_play("site.yml") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "PLAY [Preflight of the configuration]" in line:
                break
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_the_second_of_two_runs_is_told_who_is_at_work_and_the_first_goes_on(lab: Lab) -> None:
    with at_work(lab) as first:
        second = lab.play("site.yml", "--tags", "k3s")
        assert first.poll() is None
        assert lab.play("playbooks/preflight.yml").code == 0
        output, _ = first.communicate(timeout=600)
    assert second.code != 0
    words = " ".join(second.output.split())
    assert "Nothing was done." in words
    assert "runs site.yml on this cluster since" in words
    assert f"process {first.pid} there" in words
    assert "TASK [k3s" not in second.output
    assert first.returncode == 0, output[-2000:]


def test_a_run_that_was_killed_is_in_nobodys_way(lab: Lab) -> None:
    with at_work(lab) as first:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    lab.play("site.yml").ok()


@pytest.mark.soak
def test_the_lock_can_be_taken_from_a_run_that_hangs(lab: Lab) -> None:
    with at_work(lab) as first:
        os.kill(first.pid, signal.SIGSTOP)
        status = " ".join(lab.play("playbooks/status.yml").output.split())
        assert "changing now: " in status
        assert f"process {first.pid} there" in status
        assert lab.play("site.yml").code != 0
        lab.play("site.yml", "-e", "break_lock=true").ok()
