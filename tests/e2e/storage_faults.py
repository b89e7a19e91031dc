"""A writer and a reader on the shared storage while something breaks: what is lost, and how long it takes.

A file counts as acknowledged when its writer has synced and closed it without an error. The list of these is
kept here, off the nodes. After the fault every one of them must be there with the content that was written.

    def test_a_killed_filer_loses_nothing(lab: Lab) -> None:
        survives(lab, "filer killed", lambda: kill(lab, server(lab), weed("filer")))
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import queue
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from miner_cluster.lab.host import look
from miner_cluster.lab.podman import podman
from tests.e2e.lab import Lab
from tests.e2e.storage_agent import content

MOUNT = "/swdfs_mnt/swshared"
AGENT = Path(__file__).with_name("storage_agent.py").read_text("utf-8")
#: recovery without a person takes at most so long
RECOVERY_S = 90.0
#: an operation that takes longer is trouble too
SLOW_S = 5.0
#: without trouble for so long means recovered
QUIET_S = 8.0
#: pause between two operations of one node: a test of faults, not of speed
PAUSE_S = 0.05
#: an agent that does not answer in time is started anew
ANSWER_S = 60.0
SIZES = (1_000, 20_000, 100_000, 300_000)


@dataclass
class Operation:
    """One thing done on a node; unfinished while `ended` is None."""

    started: float
    ended: float | None = None
    error: str = ""

    def trouble(self, now: float) -> bool:
        """Whether it failed or takes too long."""
        return bool(self.error) or (self.ended or now) - self.started > SLOW_S


@dataclass
class Agent:
    """Runs `storage_agent.py` on a node; after it broke off, anew."""

    lab: Lab
    node: str
    _process: subprocess.Popen[str] | None = None
    _answers: queue.Queue[str | None] = field(default_factory=queue.Queue)

    def ask(self, **order: object) -> tuple[str, str]:
        """Return checksum and error of one operation."""
        try:
            process = self._running()
            assert process.stdin is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            answer = self._answers.get(timeout=ANSWER_S)
        except queue.Empty:
            answer, why = None, f"no answer in {ANSWER_S:.0f} s"
        except OSError as error:
            answer, why = None, str(error)
        else:
            why = "the connection broke off"
        if answer is None:
            self.close()
            return "", why
        parsed = json.loads(answer)
        return parsed["sha256"], parsed["error"]

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            answers: queue.Queue[str | None] = queue.Queue()
            self._answers = answers
            self._process = subprocess.Popen(
                self.lab.ssh_command(self.node, "exec python3 -c \"$(cat <<'EOF'\n" + AGENT + '\nEOF\n)"'),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            threading.Thread(target=_pass_on, args=(self._process, answers), daemon=True).start()
        return self._process


def _pass_on(process: subprocess.Popen[str], answers: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            answers.put(line)
    answers.put(None)


@dataclass
class Traffic:
    """A writer and a reader at work, each through the mount of its node."""

    lab: Lab
    writer: str
    reader: str
    directory: str
    #: acknowledged files and their checksums
    acknowledged: dict[str, str] = field(default_factory=dict)
    #: files whose content was another than the one that was written
    damaged: list[str] = field(default_factory=list)
    operations: dict[str, list[Operation]] = field(default_factory=lambda: {"write": [], "read": []})
    _end: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[threading.Thread]:
        """Start both."""
        threads = [
            threading.Thread(target=self._loop, args=(node, name, step), daemon=True)
            for node, name, step in (
                (self.writer, "write", self._write),
                (self.reader, "read", self._read),
            )
        ]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        """Ask both to end."""
        self._end.set()

    def wait_until_steady(self, since: float, *, timeout_s: float) -> float:
        """Return how many seconds after `since` both worked again for good.

        Raises:
            AssertionError: they don't, in time.
        """
        deadline = since + timeout_s + QUIET_S
        while True:
            now = time.monotonic()
            steady = [self._steady_since(name, since, now) for name in self.operations]
            known = [moment for moment in steady if moment is not None]
            if len(known) == len(steady) and now - max(known) >= QUIET_S:
                return max(known) - since
            assert now < deadline, f"not within {timeout_s:.0f} s: {self.last_words()}"
            time.sleep(0.2)

    def last_words(self) -> dict[str, str]:
        """What each did last, for messages."""
        now = time.monotonic()
        return {
            name: (done[-1].error or f"took {(done[-1].ended or now) - done[-1].started:.1f} s")
            if done
            else "nothing"
            for name, done in self.operations.items()
        }

    def longest_s(self, since: float) -> float:
        """Return how long the longest operation took that ended after a moment."""
        lasted = [
            operation.ended - operation.started
            for done in self.operations.values()
            for operation in list(done)
            if operation.ended and operation.ended > since
        ]
        return max(lasted, default=0.0)

    def errors(self, since: float) -> int:
        """Return how many operations failed that ended after a moment."""
        return sum(
            bool(operation.error) and (operation.ended or 0) > since
            for done in self.operations.values()
            for operation in list(done)
        )

    def lost(self, node: str, *, timeout_s: float = RECOVERY_S) -> list[str]:
        """Return acknowledged files that can't be read, or are not what was written, from a node."""
        agent, missing = Agent(self.lab, node), list(self.damaged)
        deadline = time.monotonic() + timeout_s
        for name, wanted in list(self.acknowledged.items()):
            while True:
                found, error = agent.ask(do="read", path=f"{self.directory}/{name}")
                if found == wanted:
                    break
                # Storage that is away is waited for; other content is a loss at once.
                if found or time.monotonic() > deadline:
                    missing.append(f"{name}: {error or 'other content'}")
                    break
                time.sleep(0.5)
        agent.close()
        return missing

    def _steady_since(self, name: str, since: float, now: float) -> float | None:
        """When the first operation without trouble ended after which there was none any more."""
        moment = since
        waiting = False
        for operation in list(self.operations[name]):
            if (operation.ended or now) < since:
                continue
            if operation.trouble(now):
                waiting = True
            elif operation.ended is not None and waiting:
                moment, waiting = operation.ended, False
        return None if waiting else moment

    def _loop(self, node: str, name: str, step: Callable[[Agent, int], str]) -> None:
        agent = Agent(self.lab, node)
        for number in itertools.count():
            if self._end.is_set():
                break
            if name == "read" and not self.acknowledged:
                time.sleep(PAUSE_S)
                continue
            operation = Operation(time.monotonic())
            self.operations[name].append(operation)
            operation.error = step(agent, number)
            operation.ended = time.monotonic()
            time.sleep(PAUSE_S if not operation.error else 0.5)
        agent.close()

    def _write(self, agent: Agent, number: int) -> str:
        name, size = f"{number:06}", SIZES[number % len(SIZES)]
        _, error = agent.ask(do="write", path=f"{self.directory}/{name}", seed=number, size=size)
        if not error:
            self.acknowledged[name] = hashlib.sha256(content(number, size)).hexdigest()
        return error

    def _read(self, agent: Agent, number: int) -> str:
        known = list(self.acknowledged)
        # Now the newest, now any.
        name = known[-1] if number % 2 else random.choice(known)  # noqa: S311 - not a secret
        found, error = agent.ask(do="read", path=f"{self.directory}/{name}")
        if not error and found != self.acknowledged[name]:
            self.damaged.append(name)
        return error


@contextlib.contextmanager
def traffic(lab: Lab, *, writer: str, reader: str, warm_up_s: float = 5.0) -> Iterator[Traffic]:
    """A writer and a reader that work, from here to the end of the block; their files go afterwards."""
    directory = f"{MOUNT}/.faults-{time.time_ns():x}"
    both = Traffic(lab, writer, reader, directory)
    threads = both.run()
    try:
        started = time.monotonic()
        while time.monotonic() - started < warm_up_s or not both.acknowledged:
            assert time.monotonic() - started < RECOVERY_S, f"no traffic: {both.last_words()}"
            time.sleep(0.1)
        yield both
    finally:
        both.stop()
        for thread in threads:
            thread.join(ANSWER_S)
        lab.ssh(writer, f"timeout 60 rm -rf {directory}")


def survives(
    lab: Lab,
    fault: str,
    break_it: Callable[[], float | None],
    *,
    writer: str | None = None,
    reader: str | None = None,
    within_s: float = RECOVERY_S,
) -> float:
    """Break something under traffic; nothing acknowledged may be lost, and it must recover by itself in time.

    Args:
        lab: what to break.
        fault: its name, for the figures that are printed.
        break_it: does it; may return the moment (`time.monotonic()`) from which recovery counts, where that
            is not its beginning, as when a node has to return first.
        writer: node of the writer; the last one if not given.
        reader: node of the reader; the second but last if not given.
        within_s: seconds within which both work again.

    Returns:
        Seconds from the fault until both worked again for good.
    """
    *_, reader_node, writer_node = lab.nodes()
    with traffic(lab, writer=writer or writer_node, reader=reader or reader_node) as both:
        began = time.monotonic()
        since = break_it() or began
        recovered_s = both.wait_until_steady(since, timeout_s=within_s)
        both.stop()
        figures = {
            "fault": fault,
            "recovered_s": round(recovered_s, 1),
            "longest_operation_s": round(both.longest_s(began), 1),
            "errors": both.errors(began),
            "acknowledged": len(both.acknowledged),
        }
        # The mounts of these two may have pieces in their own caches, which would hide that they are gone.
        others = [node for node in lab.nodes() if node not in {both.writer, both.reader}]
        lost = both.lost((others or [both.reader])[0])
        print(json.dumps(figures | {"lost": len(lost)}))
        assert lost == [], f"{fault}: {len(lost)} of {len(both.acknowledged)} acknowledged files are lost"
    return recovered_s


def server(lab: Lab) -> str:
    """The node of the master and the filer."""
    return next(iter(lab.nodes()))


def weed(component: str) -> str:
    """How the command line of one of SeaweedFS's processes begins, as a pattern that finds no shell."""
    return f"^/usr/bin/weed -logtostderr=true {component} "


def kill(lab: Lab, node: str, command_line: str) -> None:
    """Kill with -9 the process on a node whose command line matches."""
    done = lab.ssh(node, f"pkill -9 -f -- '{command_line}'")
    assert done.returncode == 0, f"no process {command_line!r} on {node}"


def kill_unit(lab: Lab, node: str, unit: str) -> None:
    """Kill with -9 the main process of a systemd unit."""
    done = lab.ssh(node, f"systemctl kill --signal=KILL --kill-who=main {unit}")
    assert done.returncode == 0, done.stderr


def restart_machine(lab: Lab, node: str) -> float:
    """Switch a node of a lab off and on; return the moment from which it is on."""
    podman(look(), "restart", "--time=0", f"{lab.name}-{node}")
    return time.monotonic()
