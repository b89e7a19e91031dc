"""An interrupted run is finished by running it again."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.e2e.lab import ROOT, Lab


def interrupted_site(lab: Lab, after_s: float, *args: str) -> int:
    """Start site.yml, send it SIGINT after `after_s` seconds, and return its exit code."""
    with subprocess.Popen(
        # A job in the background of a shell ignores the signal, and so would its children.
        ["env", "--default-signal=INT", "ansible-playbook", "-i", str(lab.inventory), "site.yml", *args],
        cwd=ROOT,
        env={**os.environ, **lab.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        time.sleep(after_s)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C at a terminal reaches the whole group
        return process.wait(timeout=120)


def converges(lab: Lab) -> None:
    lab.play("site.yml").ok()
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


@pytest.mark.parametrize("after_s", [6.0, pytest.param(12.0, marks=pytest.mark.soak)])
def test_site_interrupted_on_a_changed_cluster_converges_when_run_again(lab: Lab, after_s: float) -> None:
    lab.kubectl("delete", "namespace", "data-miner", "--wait=true")
    assert interrupted_site(lab, after_s) != 0
    converges(lab)


@pytest.mark.soak
def test_site_interrupted_at_any_moment_of_a_fresh_deployment_converges(lab: Lab) -> None:
    for after_s in (3, 8, 20, 35, 60, 90):
        lab.play("teardown.yml", "-e", "wipe_data=true").ok()
        interrupted_site(lab, after_s)
        converges(lab)
