"""Several processes on one cache, and processes that end before their work is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from miner_cluster.artifacts.store import Store
from tests.unit.artifacts.making import COUNTING, HANGING, file_recipe, shell_recipe

PATIENCE_S = 60.0


@contextmanager
def building(store: Store, log: Path, script: str) -> Iterator[subprocess.Popen[bytes]]:
    # A job in the background of a shell ignores the signal, and so would its children.
    program = ["env", "--default-signal=INT", sys.executable, "-m", "tests.unit.artifacts.making"]
    command = [*program, str(store.root), str(log), script]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def child_of(log: Path) -> int:
    """Return the ID of the process that the hanging script started."""
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
    return int(log.read_text().split()[0])


def lives(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def test_two_processes_make_one_artifact_once(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with building(store, log, COUNTING) as one, building(store, log, COUNTING) as two:
        assert (one.wait(PATIENCE_S), two.wait(PATIENCE_S)) == (0, 0)
    assert log.read_text() == "made\n"
    assert store.find(shell_recipe(COUNTING, log))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_ends_its_children_and_leaves_nothing(
    store: Store, tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    with building(store, log, HANGING) as process:
        child = child_of(log)
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 130
    wait_until(lambda: not lives(child))
    assert list((store.root / "artifacts/thing").glob("*.partial")) == []
    assert store.find(file_recipe()) is None


def test_what_a_killed_build_left_is_not_tripped_over(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with building(store, log, HANGING) as process:
        child = child_of(log)
        process.kill()
        process.wait()
    partials = list((store.root / "artifacts/thing").glob("*.partial"))
    assert len(partials) == 1
    os.kill(child, signal.SIGKILL)  # it holds the lock: what still works there is not disturbed
    store.ensure(shell_recipe("true", log))
    assert not partials[0].exists()


def test_a_build_is_not_started_beside_what_a_killed_one_left_running(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with building(store, log, HANGING) as process:
        child = child_of(log)
        process.kill()
        process.wait()
    with building(store, log, COUNTING) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        os.kill(child, signal.SIGKILL)
        assert process.wait(PATIENCE_S) == 0
