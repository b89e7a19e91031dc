"""The lock of a cluster: real processes on this machine, without SSH between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.run_lock.on_server import ask
from miner_cluster.run_lock.take import Holder, command, look_by, start_keeper, this_run
from miner_cluster.run_lock.words import refusal
from tests.modules import load_module

PATIENCE_S = 10.0
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def name() -> str:
    """Of a lock that nobody else on this machine uses."""
    return f"data-miner/test-{uuid.uuid4()}"


@pytest.fixture
def run() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start what stands for a run of ansible-playbook: a process that waits."""
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            process = stack.enter_context(subprocess.Popen(["sleep", "60"]))
            stack.callback(process.kill)
            return process

        yield start


def take(
    name: str,
    process: subprocess.Popen[bytes],
    *,
    wish: str = "ask",
    beat_s: float = 10,
    lease_s: float = 60,
) -> dict[str, Any]:
    holder = this_run(process.pid, "site.yml")
    first = command([], holder, wish=wish, name=name, lease_s=lease_s)
    again = command([], holder, wish="again", name=name, lease_s=lease_s)
    return start_keeper(process.pid, first, again=again, beat_s=beat_s, patience_s=lease_s - beat_s)


def send(number: signal.Signals, name: str, *, program: str) -> None:
    """Send a signal to the processes that a lock's name is said to: the holder's, or the keeper's."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_text().split("\0")
            if program in words[1:4] and name in " ".join(words):
                os.kill(int(process.name), number)


def end_session(name: str) -> None:
    """End the program that holds the lock, as a lost connection does."""
    send(signal.SIGKILL, name, program="-c")


def free_after(name: str, process: subprocess.Popen[bytes]) -> float:
    """Return how many seconds it took until the lock could be taken."""
    started = time.monotonic()
    while take(name, process)["state"] != "taken":
        assert time.monotonic() - started < PATIENCE_S
    return time.monotonic() - started


def test_the_second_is_told_who_has_the_lock_and_since_when(name: str, run: Any) -> None:
    first, second = run(), run()
    assert take(name, first) == {"state": "taken"}
    said = take(name, second)
    assert said["state"] == "held"
    assert said["holder"]["pid"] == first.pid
    assert said["holder"]["playbook"] == "site.yml"
    assert 0 <= said["age_s"] < PATIENCE_S


def test_whoever_only_looks_is_told_the_same_and_takes_nothing(name: str, run: Any) -> None:
    first, second = run(), run()
    assert look_by([], name=name) == ""
    assert take(name, first) == {"state": "taken"}
    said = look_by([], name=name)
    assert "runs site.yml on this cluster since" in said
    assert f"process {first.pid} there" in said
    assert look_by(["false"], name=name) == ""
    assert take(name, first) == {"state": "ours"}
    assert take(name, second)["state"] == "held"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_is_free_at_once_when_its_run_has_ended_however(
    name: str, run: Any, end: signal.Signals
) -> None:
    first, second = run(), run()
    take(name, first)
    first.send_signal(end)
    first.wait()
    assert free_after(name, second) < PATIENCE_S / 2


def test_a_login_shell_that_greets_is_not_in_the_way(name: str, run: Any) -> None:
    first, second = run(), run()
    words = command([], this_run(first.pid, "site.yml"), wish="ask", name=name)
    greeting = ["sh", "-c", 'echo Welcome; exec "$@"', "sh", *words]
    assert start_keeper(first.pid, greeting, again=greeting) == {"state": "taken"}
    assert take(name, second)["state"] == "held"


def test_a_run_that_has_the_lock_may_ask_for_it_again(name: str, run: Any) -> None:
    first = run()
    take(name, first)
    assert take(name, first) == {"state": "ours"}
    assert take(name, run())["state"] == "held"


def test_the_lock_can_be_taken_from_a_run_that_hangs(name: str, run: Any) -> None:
    first, second, third = run(), run(), run()
    take(name, first)
    assert take(name, second, wish="break") == {"state": "taken"}
    assert take(name, third)["holder"]["pid"] == second.pid


def test_the_lock_ends_with_its_lease_when_the_way_to_the_run_is_gone(name: str) -> None:
    def session(lease_s: str) -> subprocess.Popen[bytes]:
        holder = Holder(run=lease_s, user="u", host="h", pid=1, playbook="p")
        words = command([], holder, wish="ask", name=name, lease_s=float(lease_s))
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    with session("0.5") as silent:
        assert silent.stdout
        assert json.loads(silent.stdout.readline())["state"] == "taken"
        assert silent.wait(PATIENCE_S) == 0
        with session("60") as other:
            assert other.stdout
            assert json.loads(other.stdout.readline())["state"] == "taken"


def test_what_is_heard_of_the_run_keeps_the_lock(name: str) -> None:
    holder = Holder(run="r", user="u", host="h", pid=1, playbook="p")
    words = command([], holder, wish="ask", name=name, lease_s=1)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdin
        assert session.stdout
        session.stdout.readline()
        for _ in range(4):
            time.sleep(0.5)
            session.stdin.write(b"\n")
            session.stdin.flush()
        assert session.poll() is None


def test_the_lock_is_taken_again_after_the_connection_was_lost(name: str, run: Any) -> None:
    first = run()
    take(name, first, beat_s=0.2)
    end_session(name)
    until = time.monotonic() + PATIENCE_S
    while (found := ask(f"\0{name}", give_way=False)) is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert found["holder"]["pid"] == first.pid


def test_a_session_that_does_not_know_that_its_connection_was_lost_gives_the_lock_to_the_next(
    name: str, run: Any
) -> None:
    first = run()
    words = command([], this_run(first.pid, "site.yml"), wish="ask", name=name)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stale:
        assert stale.stdout
        assert json.loads(stale.stdout.readline())["state"] == "taken"
        assert take(name, first, wish="again") == {"state": "taken"}
        assert stale.wait(PATIENCE_S) == 0
    assert take(name, run(), wish="again")["state"] == "held"


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A run, and the file that its standard error goes to."""
    file = tmp_path / "stderr"
    with file.open("w") as stderr, subprocess.Popen(["sleep", "60"], stderr=stderr) as process:
        yield process, file
        process.kill()


def wait_for(words: str, file: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while words not in file.read_text():
        assert time.monotonic() < until, file.read_text()
        time.sleep(0.05)


def test_a_run_whose_controller_slept_for_longer_than_the_lease_is_ended_with_words(
    name: str, told: Any, run: Any
) -> None:
    first, file = told
    take(name, first, beat_s=0.2, lease_s=1.5)
    send(signal.SIGSTOP, name, program="miner_cluster.run_lock.keeper")
    assert free_after(name, run()) < PATIENCE_S
    assert first.poll() is None
    send(signal.SIGCONT, name, program="miner_cluster.run_lock.keeper")
    assert first.wait(PATIENCE_S) == -signal.SIGINT
    wait_for("the first server did not hear of it for", file)


def test_a_run_whose_server_does_not_answer_any_more_is_ended_with_words(name: str, told: Any) -> None:
    first, file = told
    take(name, first, beat_s=0.2, lease_s=1.5)
    send(signal.SIGSTOP, name, program="-c")
    try:
        assert first.wait(PATIENCE_S) == -signal.SIGINT
        wait_for("the first server did not hear of it for", file)
    finally:
        end_session(name)


@pytest.mark.parametrize("again", [["sleep", "30"], ["sh", "-c", "echo half a line; exit 1"]])
def test_a_run_is_ended_where_a_session_comes_to_nothing_or_hangs_after_the_connection_was_lost(
    name: str, told: Any, again: list[str]
) -> None:
    first, file = told
    words = command([], this_run(first.pid, "site.yml"), wish="ask", name=name)
    start_keeper(first.pid, words, again=again, beat_s=0.2, patience_s=4)
    started = time.monotonic()
    end_session(name)
    assert first.wait(PATIENCE_S) == -signal.SIGINT
    assert time.monotonic() - started < 4 + 1.5
    wait_for("the first server did not hear of it for", file)


@pytest.mark.parametrize("reader", ["sleeps", "is gone"])
def test_a_run_that_nobody_listens_to_is_ended_too(name: str, run: Any, reader: str) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"x")
    with subprocess.Popen(["sleep", "60"], stderr=write) as first:
        os.close(write)
        if reader == "is gone":
            os.close(read)
        take(name, first)
        take(name, run(), wish="break")
        try:
            assert first.wait(PATIENCE_S) == -signal.SIGINT
        finally:
            first.kill()
    if reader == "sleeps":
        os.close(read)


def test_a_run_that_the_lock_was_taken_from_is_ended_with_who_has_it(name: str, told: Any, run: Any) -> None:
    first, file = told
    take(name, first)
    take(name, run(), wish="break")
    assert first.wait(PATIENCE_S) == -signal.SIGINT
    wait_for("who runs site.yml. Run it again when that one has ended", file)


def test_a_run_that_is_heard_of_goes_on_for_longer_than_the_lease(name: str, told: Any) -> None:
    first, file = told
    take(name, first, beat_s=0.2, lease_s=1)
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(2.5)
    assert file.read_text() == ""
    assert ask(f"\0{name}", give_way=False) is not None


def test_a_server_that_can_not_be_asked_is_named(run: Any) -> None:
    process = run()
    said = start_keeper(process.pid, ["sh", "-c", "echo no way >&2; exit 255"], again=["true"])
    assert said == {"state": "unknown", "reason": "no way"}


def test_two_that_begin_at_the_same_moment_do_not_both_get_it(name: str, run: Any) -> None:
    holders = [this_run(run().pid, f"{number}.yml") for number in range(4)]
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(
                subprocess.Popen(
                    command([], holder, wish="ask", name=name),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for holder in holders
        ]
        states = [json.loads(session.stdout.readline())["state"] for session in sessions if session.stdout]
    assert sorted(states) == ["held", "held", "held", "taken"]


@pytest.mark.parametrize(("age_s", "words"), [(5, "5 s"), (300, "5 min"), (7200, "2.0 h")])
def test_the_refusal_says_who_where_what_since_when_and_what_to_do(age_s: float, words: str) -> None:
    holder = {"run": "r", "user": "ann", "host": "desk", "pid": 7, "playbook": "teardown.yml"}
    said = refusal(holder, age_s, now_s=1_000_000.0)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_000_000 - age_s))
    assert f"ann@desk runs teardown.yml on this cluster since {since} ({words}, process 7 there)" in said
    assert "kill 7" in said
    assert "-e break_lock=true" in said


def test_who_does_not_answer_is_no_riddle() -> None:
    assert "-e break_lock=true" in refusal({}, 0, now_s=0)


def test_the_program_for_the_server_needs_no_package() -> None:
    text = (Path(__file__).parents[3] / "miner_cluster/run_lock/on_server.py").read_text()
    assert "import miner_cluster" not in text
    assert "from miner_cluster" not in text


def test_the_playbook_is_named_as_it_was_called() -> None:
    module = load_module("run_lock")
    words = ["ansible-playbook", "-i", "inventory/lab", "playbooks/restore.yml", "-e", "backup=1"]
    assert module.playbook(words) == "restore.yml"
    assert module.playbook(["molecule"]) == "Ansible"
