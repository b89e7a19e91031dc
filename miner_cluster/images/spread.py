"""Brings blobs to machines: a session with each of them, and the schedule of who takes what from whom.

Everything lives in sessions that this process holds: when it ends, however it ends, so do the programs on the
machines (``peer``), and nothing listens there any more.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import shlex
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from data_miner.errors import MinerError
from miner_cluster.artifacts.progress import megabytes
from miner_cluster.images.schedule import DIRECT_BYTES, Schedule, Transfer
from miner_cluster.images.throttle import Throttle

#: sessions at the same time, and how many of them with machines that have all and pass it on to the others
SESSIONS, PASSING_ON = 200, 50
BEAT_S = 10.0
#: how often the user sees how far it is
TELL_EVERY_S = 5.0
#: how many machines have a line of their own then
LINES = 8
#: after so long without a byte a machine counts as gone
STALL_S = 60.0
#: how long a machine may take to begin, with a look at what came before an interruption
BEGIN_S = 120.0
_TICK_S = 0.5
_CHUNK = 1 << 16
#: how often what came lies there once it is imported, at the least: in containerd's store, and unpacked
_IMPORTED = 2
#: of what a machine says that is not understood
_SHOWN = 100
_PROGRAM = Path(__file__).parent / "peer.py"

Open = Callable[[str], AbstractContextManager[IO[bytes]]]


class SpreadError(MinerError):
    """The transfer can't go on at all."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One that takes part."""

    name: str
    #: where other machines reach it
    address: str
    #: runs a shell's command there; empty is this machine
    reach: Sequence[str]
    #: runs it as root; its password, where it asks for one
    root: Sequence[str] = ()
    password: str = field(default="", repr=False)
    directory: str
    ctr: Sequence[str]
    missing: frozenset[str]
    holds: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class Outcome:
    """How it ended."""

    #: by the controller, and by machines
    sent_bytes: int = 0
    passed_on_bytes: int = 0
    #: of each machine that does not have all, the reason
    problems: dict[str, str] = field(default_factory=dict)


class _Session:
    """The program on a machine, and what is said to it and by it."""

    def __init__(self, machine: Machine, start: Mapping[str, Any], hear: Callable[[str, Any], None]) -> None:
        self.machine = machine
        self.port = 0
        self.began_s = time.monotonic()
        marker = secrets.token_hex(8)
        words = [*machine.root, "/usr/bin/python3", "-c", _PROGRAM.read_text("utf-8"), marker]
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [*machine.reach, shlex.join(words)] if machine.reach else words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._busy = threading.Lock()
        threading.Thread(target=self._listen, args=(hear,), daemon=True).start()
        password = f"{machine.password}\n" if machine.password else ""
        self._write(f"{password}{marker}\n{json.dumps(start)}\n".encode())

    def order(self, **words: Any) -> None:
        """Say what to do next."""
        with self._busy:
            self._write(json.dumps(words).encode() + b"\n")

    def beat(self) -> None:
        """Tell the program that we are there; bytes of a blob tell it too."""
        if self._busy.acquire(blocking=False):
            try:
                self._write(b'{"do": "stay"}\n')
            finally:
                self._busy.release()

    def put(self, transfer: Transfer, file: IO[bytes], count: Callable[[int], None]) -> None:
        """Send a blob, as long as somebody takes it."""
        with self._busy:
            order = {"do": "put", "digest": transfer.digest, "size": transfer.size}
            taken = self._write(json.dumps(order).encode() + b"\n")
            while taken and (chunk := file.read(_CHUNK)):
                count(len(chunk))
                taken = self._write(chunk)

    def close(self) -> None:
        """End the program; first the process, as somebody may wait for it to take more."""
        self._process.terminate()
        self._process.wait()
        with suppress(OSError):
            self._stdin.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        return self._process.stdin

    def _write(self, content: bytes) -> bool:
        """Write, and return whether somebody still reads; the end of the output tells that nobody does."""
        try:
            self._stdin.write(content)
            self._stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def _listen(self, hear: Callable[[str, Any], None]) -> None:
        complaint = ""
        output = self._process.stdout
        assert output is not None  # noqa: S101 - it is a pipe
        with output:
            for line in output:
                if words := _words(line):
                    hear(self.machine.name, words)
                elif line.strip():
                    complaint = line.decode(errors="replace").strip()
        code = self._process.wait()
        hear(self.machine.name, {"said": "gone", "why": complaint or f"exit code {code}"})


def _words(line: bytes) -> dict[str, Any] | None:
    """Return what the program says; None for what others do: a shell's greeting, ssh, sudo."""
    try:
        words = json.loads(line)
    except ValueError:
        return None
    return words if isinstance(words, dict) and "said" in words else None


@dataclass(kw_only=True)
class Spread:
    """One transfer of some blobs to some machines.

    Args:
        sizes: of the blobs, by digest.
        open_blob: opens one for reading.
        bytes_per_s: what leaves this machine at the most; None is all that it can.
        tell: gets lines for the user.
    """

    sizes: Mapping[str, int]
    open_blob: Open
    bytes_per_s: float | None = None
    tell: Callable[[str], None] = lambda _: None
    _heard: queue.SimpleQueue[tuple[str, dict[str, Any]]] = field(default_factory=queue.SimpleQueue)
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _later: deque[Machine] = field(default_factory=deque)
    _began_s: dict[str, float] = field(default_factory=dict)
    _moved_s: dict[str, float] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)
    _total: dict[str, int] = field(default_factory=dict)
    _part: dict[str, int] = field(default_factory=dict)
    #: machines that were told to give up what they take from another one
    _giving_up: set[str] = field(default_factory=set)
    _outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        """Make what this transfer alone has."""
        direct_bytes = min(DIRECT_BYTES, self.bytes_per_s or DIRECT_BYTES)
        self._schedule = Schedule(sizes=self.sizes, direct_bytes=direct_bytes)
        self._throttle = Throttle(self.bytes_per_s)
        self._secret = secrets.token_hex(32)
        self._parent = os.getppid()

    def run(self, machines: Sequence[Machine]) -> Outcome:
        """Bring all blobs to all machines that lack them; those that lack nothing help.

        Raises:
            SpreadError: the run that this is part of has ended.
        """
        began_s = time.monotonic()
        for machine in machines:
            self._schedule.expect(machine.missing, machine.holds)
            self._total[machine.name] = sum(self.sizes[digest] for digest in machine.missing)
            self._done[machine.name] = 0
        self._later.extend(machines)
        with self._told(), self._ended():
            while self._open() or self._unfinished():
                self._hear()
                for transfer in self._schedule.next():
                    self._begin(transfer)
        self._say_end(time.monotonic() - began_s)
        return self._outcome

    def _open(self) -> bool:
        """Begin sessions with as many machines as may have one; return whether some still wait for theirs."""
        spare = [
            name
            for name in self._sessions
            if self._schedule.joined(name) and self._schedule.whole(name) and self._schedule.idle(name)
        ][PASSING_ON:]
        while self._later and (len(self._sessions) < SESSIONS or spare):
            if len(self._sessions) >= SESSIONS:
                self._end(spare.pop())
            machine = self._later.popleft()
            start = {
                "directory": machine.directory,
                "ctr": list(machine.ctr),
                "secret": self._secret,
                "address": machine.address,
                "wanted": sorted(machine.missing),
            }
            self._sessions[machine.name] = _Session(machine, start, lambda *heard: self._heard.put(heard))
        return bool(self._later)

    def _under_way(self) -> dict[str, Transfer]:
        return dict(self._schedule.under_way())

    def _unfinished(self) -> bool:
        return any(
            not self._schedule.whole(name) if self._schedule.joined(name) else session.machine.missing
            for name, session in self._sessions.items()
        )

    def _hear(self) -> None:
        """Wait for news, and take in all there are."""
        if os.getppid() != self._parent:
            raise SpreadError("the run has ended")
        for name, transfer in self._under_way().items():
            if time.monotonic() - self._moved_s[name] > STALL_S:
                self._stalled(name, transfer)
        for name, session in list(self._sessions.items()):
            if not self._schedule.joined(name) and time.monotonic() - session.began_s > BEGIN_S:
                self._lost(name, f"it did not begin within {BEGIN_S:.0f} s")
        with suppress(queue.Empty):
            name, words = self._heard.get(timeout=_TICK_S)
            while True:
                if name in self._sessions:
                    self._take_in_or_lose(name, words)
                name, words = self._heard.get_nowait()

    def _stalled(self, name: str, transfer: Transfer) -> None:
        """Let a machine ask another one; give it up where the controller sends, or where it does not obey."""
        why = f"nothing moved for {STALL_S:.0f} s"
        if not transfer.source or name in self._giving_up:
            self._lost(name, why)
            return
        self._giving_up.add(name)
        self._moved_s[name] = time.monotonic()
        self._sessions[name].order(do="give_up", why=why)

    def _take_in_or_lose(self, name: str, words: dict[str, Any]) -> None:
        """Take in what a machine says; one that talks nonsense harms itself only."""
        try:
            self._take_in(name, words)
        except (KeyError, TypeError, ValueError):
            if name in self._sessions:
                self._lost(name, f"it says what makes no sense: {json.dumps(words)[:_SHOWN]}")

    def _take_in(self, name: str, words: dict[str, Any]) -> None:
        match words["said"]:
            case "ready":
                self._ready(self._sessions[name], words)
            case "got":
                self._part[name] = int(words["bytes"])
                self._moved_s[name] = time.monotonic()
            case "has":
                self._has(name, words["digest"])
            case "failed":
                self._failed(name, words["digest"], str(words["why"]))
            case "broken" | "gone":
                self._lost(name, str(words["why"]))

    def _ready(self, session: _Session, words: dict[str, Any]) -> None:
        machine = session.machine
        if self._schedule.joined(machine.name):
            raise ValueError("it began before")
        session.port, free = int(words["port"]), int(words["free"])
        have = machine.missing.intersection(words["have"])
        self._done[machine.name] = sum(self.sizes[digest] for digest in have)
        left = self._total[machine.name] - self._done[machine.name]
        needed = left + _IMPORTED * self._total[machine.name]
        if needed > free:
            self._lost(
                machine.name,
                f"{megabytes(left)} are to come, which with their import need {megabytes(needed)}, "
                f"and {megabytes(free)} are free at {machine.directory}",
            )
            return
        self._schedule.expect_no_more(machine.missing, machine.holds)
        self._schedule.join(machine.name, machine.missing - have, machine.holds | have)

    def _begin(self, transfer: Transfer) -> None:
        session = self._sessions[transfer.target]
        self._began_s[transfer.target] = self._moved_s[transfer.target] = time.monotonic()
        self._part[transfer.target] = 0
        self._giving_up.discard(transfer.target)
        if transfer.source:
            giver = self._sessions[transfer.source]
            session.order(
                do="get",
                digest=transfer.digest,
                size=transfer.size,
                host=giver.machine.address,
                port=giver.port,
            )
        else:
            threading.Thread(target=self._put, args=(session, transfer), daemon=True).start()

    def _put(self, session: _Session, transfer: Transfer) -> None:
        def count(size: int) -> None:
            self._throttle.wait(size)
            self._part[transfer.target] += size
            self._moved_s[transfer.target] = time.monotonic()

        try:
            with self.open_blob(transfer.digest) as file:
                session.put(transfer, file, count)
        except OSError as error:  # of the file: what the session says of itself is heard
            self._heard.put((transfer.target, {"said": "broken", "why": f"{transfer.digest}: {error}"}))

    def _asked(self, name: str, digest: str) -> Transfer:
        """Return what a machine takes; an error where that is something else than it says."""
        transfer = self._schedule.under_way()[name]
        if transfer.digest != digest:
            raise ValueError(digest)
        return transfer

    def _has(self, name: str, digest: str) -> None:
        transfer = self._asked(name, digest)
        self._schedule.arrived(name, time.monotonic() - self._began_s[name])
        self._part[name] = 0
        self._done[name] += transfer.size
        if transfer.source:
            self._outcome.passed_on_bytes += transfer.size
        else:
            self._outcome.sent_bytes += transfer.size

    def _failed(self, name: str, digest: str, why: str) -> None:
        transfer = self._asked(name, digest)
        if not transfer.source:
            self._lost(name, f"from the controller {why}")
            return
        self.tell(f"{name}: nothing from {transfer.source} ({why}); asking another one")
        self._part[name] = 0
        self._schedule.failed(name)

    def _lost(self, name: str, why: str) -> None:
        machine = self._sessions[name].machine
        if self._schedule.joined(name):
            lacks = not self._schedule.whole(name)
        else:
            lacks = bool(machine.missing)
            self._schedule.expect_no_more(machine.missing, machine.holds)
        if lacks:
            self._outcome.problems[name] = why
            self.tell(f"{name}: can't take images: {why}")
        self._end(name)

    def _end(self, name: str) -> None:
        self._schedule.leave(name)
        self._sessions.pop(name).close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the machines that we are there, and the user how far they are, until the block ends."""
        ended = threading.Event()

        def tell() -> None:
            beat_s = 0.0
            while not ended.wait(TELL_EVERY_S):
                beat_s += TELL_EVERY_S
                for line in self._lines():
                    self.tell(line)
                if beat_s >= BEAT_S:
                    beat_s = 0.0
                    for session in list(self._sessions.values()):
                        session.beat()

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _lines(self) -> list[str]:
        """Return how far machines are that lack something: some one by one, the others as a number."""
        lacking = [name for name, total in self._total.items() if self._done[name] < total]
        lacking = [name for name in lacking if name not in self._outcome.problems]
        under_way = self._under_way()
        lacking.sort(key=lambda name: (name not in under_way, name))
        lines = []
        for name in lacking[:LINES]:
            done = self._done[name] + self._part.get(name, 0)
            how = f"from {under_way[name].source or 'the controller'}" if name in under_way else "waiting"
            lines.append(f"{name}: {megabytes(done)} of {megabytes(self._total[name])} there, {how}")
        if more := len(lacking) - LINES:
            lines += [f"and {more} machines more"] if more > 0 else []
        return lines

    def _say_end(self, seconds: float) -> None:
        outcome = self._outcome
        self.tell(
            f"images: {megabytes(outcome.sent_bytes)} sent, {megabytes(outcome.passed_on_bytes)} passed on "
            f"by machines, {seconds:.0f} s"
        )

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """End all sessions with the block."""
        try:
            yield
        finally:
            self._later.clear()
            for name in list(self._sessions):
                self._sessions.pop(name).close()
