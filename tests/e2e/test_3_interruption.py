"""An interrupted run is finished by running it again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import ROOT, Lab, Run

CALLBACKS = ROOT / "tests" / "e2e" / "callback_plugins"
#: how often, and in which intervals, a run is interrupted that goes on
TRIES, PATIENCE_S = 6, 10
#: more than site.yml has tasks: a run that never comes to its end ends the test
MANY = 400
#: of the shell, and of Ansible where it could still say that it was interrupted
ENDED = {-signal.SIGKILL, -signal.SIGINT, 99, 130}


def interrupted_site(lab: Lab, after_s: float, *args: str) -> int:
    """Start site.yml, send it SIGINT after `after_s` seconds, and return its exit code.

    Once more where nothing came of it, as people type it: Python loses one that comes just as it forks.
    """
    with lab.start_play("site.yml", *args, quiet=True) as process:
        time.sleep(after_s)
        for _ in range(TRIES):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C at a terminal reaches the whole group
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=PATIENCE_S)
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError("site.yml does not end when it is interrupted")


def converges(lab: Lab) -> None:
    lab.play("site.yml").ok()
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def deployed(lab: Lab) -> dict[str, Any]:
    """What a deployment has left: the record of each machine, our objects, and what differs from the file."""
    lab.play("playbooks/status.yml", "-e", f"report_file={lab.state / 'status.json'}").ok()
    found: dict[str, Any] = {"drift": json.loads((lab.state / "status.json").read_text())["drift"]}
    for node in lab.nodes():
        found[node] = _shape(json.loads(lab.ssh(node, "cat /var/lib/data-miner/owned.json").stdout)["names"])
    kinds = "deployments,statefulsets,daemonsets,services,configmaps,secrets,networkpolicies"
    for namespace in ("data-miner", "seaweedfs"):
        found[namespace] = sorted(
            f"{obj['kind']} {obj['metadata']['name']}"
            for obj in lab.get(kinds, "-n", namespace)["items"]
            if not obj["metadata"].get("ownerReferences")
        )
    return found


def _shape(record: Any) -> Any:
    """Return a record without checksums and the like, which are others where keys are others."""
    if isinstance(record, dict):
        return {key: _shape(value) for key, value in record.items()}
    if isinstance(record, list):
        return sorted((one if isinstance(one, str) else _shape(one) for one in record), key=json.dumps)
    return None


@pytest.mark.parametrize("after_s", [6.0, pytest.param(12.0, marks=pytest.mark.soak)])
def test_site_interrupted_on_a_changed_cluster_converges_when_run_again(lab: Lab, after_s: float) -> None:
    lab.kubectl("delete", "namespace", "data-miner", "--wait=true")
    assert interrupted_site(lab, after_s) != 0
    converges(lab)


@pytest.mark.soak
def test_a_fresh_deployment_interrupted_in_each_of_its_tasks_comes_to_what_an_uninterrupted_one_does(
    lab: Lab, tmp_path: Path
) -> None:
    """Each run begins anew and comes one place further than the one before, see the callback.

    So every task is interrupted where nothing after it was ever done, and all runs that follow have to cope
    with what that left. A deployment anew for each task would repeat the first ones a hundred times and meet
    no other state.
    """
    noted = tmp_path / "noted.json"
    lab.play("teardown.yml", "-e", "wipe_data=true").ok()
    _noting(lab, noted).ok()
    wanted = deployed(lab)
    lab.play("teardown.yml", "-e", "wipe_data=true").ok()
    places = _until_it_ends(lab, noted)
    print(f"{len(places)} interruptions in {len(json.loads(noted.read_text())['tasks'])} tasks")
    assert set(lab.play("site.yml").ok().changed.values()) == {0}
    assert deployed(lab) == wanted


def _until_it_ends(lab: Lab, noted: Path) -> list[str]:
    """Run site.yml until a run comes to its end, and return where the others were ended."""
    for number in range(1, MANY):
        run = _noting(lab, noted)
        places: list[str] = json.loads(noted.read_text())["ended"]
        if run.code == 0:
            return places
        failed = f"after {places[-2:-1]} the next run failed\n{run.output[-4000:]}"
        assert run.code in ENDED, failed
        assert len(places) == number, failed
    raise AssertionError(f"no run of {MANY} came to its end")


def _noting(lab: Lab, noted: Path) -> Run:
    """Run site.yml with the callback."""
    callback = {"ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS), "ANSIBLE_CALLBACKS_ENABLED": "interrupted"}
    again = Lab(name=lab.name, env={**lab.env, **callback, "INTERRUPTED_FILE": str(noted)})
    # A job in the background of a shell ignores the signal, and so would its children.
    site = ("ansible-playbook", "-i", str(lab.inventory), "site.yml")
    return again.run("env", "--default-signal=INT", *site, timeout_s=900)
