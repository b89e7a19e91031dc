"""A process beside a run that has the lock: keeps a session with the first server until the run is gone.

The run itself can't: its tasks are processes of their own that end, and a run that is killed does nothing
more. The kernel tells us at once when it ends, however it ends. The other way round, a run that lost the lock
is ended, with words, before it changes more: the server answers each beat, and where it did not for about as
long as it keeps the lock for us, nobody knows who is at work there by now.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from miner_cluster.run_lock.words import taken_away, unheard

#: who takes the lock from us must have it before we ask again; they try ten times a second
_GIVEN_WAY_S = 2.0
#: how long a run that was interrupted may take to end
_ENDS_IN_S = 10.0
#: how long a session whose input was closed may take to end
_CLOSES_IN_S = 3.0
#: how often a session that is waited for is given up or not
_LOOKS_EVERY_S = 1.0


class Session:
    """The program on the server, and the pipes to it.

    Args:
        command: starts it. It is waited for until it has said whether it has the lock, or has ended.
        run: nobody waits for longer than this process lives,
        until_s: or than until then.
    """

    def __init__(self, command: list[str], run: int, until_s: float = math.inf) -> None:
        read, self._write = os.pipe()
        output, write = os.pipe()
        self._process = subprocess.Popen(command, stdin=read, stdout=write, stderr=subprocess.PIPE)  # noqa: S603
        os.close(read)
        os.close(write)
        self.output = output
        #: what it said, after what a login shell greets with; empty where it never came
        self.said = self._first_words(run, until_s)
        #: when it was last heard of, or began to run
        self.heard_at_s = _now_s()

    def _first_words(self, run: int, until_s: float) -> dict[str, Any]:
        text = b""
        while _now_s() < until_s:
            # In short steps, as a machine that slept has to notice how late it is.
            ready = select.select([run, self.output], [], [], min(_LOOKS_EVERY_S, until_s - _now_s()))[0]
            if run in ready:
                break
            if not ready:
                continue
            part = os.read(self.output, 4096)
            text += part
            for line in text.splitlines(keepends=True):
                if line.startswith(b"{") and line.endswith(b"\n"):
                    said: dict[str, Any] = json.loads(line)
                    return said
            if not part:
                break
        return {}

    @property
    def has_lock(self) -> bool:
        """Whether it has the lock."""
        return self.said.get("state") == "taken"

    def beat(self) -> None:
        """Tell the program that we are there; where it is gone, its output has ended too."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._write, b"\n")

    @property
    def silent_s(self) -> float:
        """For how long nothing was heard of it."""
        return _now_s() - self.heard_at_s

    def answers(self) -> bool:
        """Read what is there of its answers; False where it has ended."""
        answered = bool(os.read(self.output, 4096))
        if answered:
            self.heard_at_s = _now_s()
        return answered

    def close(self) -> str:
        """End the program, and return what was complained about; one that hangs has nothing to say."""
        os.close(self._write)
        try:
            _, complaint = self._process.communicate(timeout=_CLOSES_IN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            complaint = b""
        os.close(self.output)
        return complaint.decode(errors="replace").strip()


def keep(pid: int, command: list[str], again: list[str], beat_s: float, patience_s: float) -> None:
    """Take the lock, print what was said, and keep it while the process lives.

    Args:
        pid: of the run.
        command: takes the lock.
        again: takes it again after the connection was lost.
        beat_s: how often the server hears of us, and how long after an attempt in vain the next one follows.
        patience_s: how long the server may be silent before the run is ended; less than it keeps the lock.
    """
    run = os.pidfd_open(pid)
    session = Session(command, run)
    if not session.has_lock:
        print(json.dumps(session.said or {"state": "unknown", "reason": session.close()}))
        return
    print(json.dumps(session.said), flush=True)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    if lost := watch(run, session, again, beat_s, patience_s):
        end(run, pid, lost)


def watch(run: int, session: Session, again: list[str], beat_s: float, patience_s: float) -> str:
    """Keep the lock until the run has ended, or the lock is lost; return how it was lost."""
    while True:
        left_s = max(0.0, patience_s - session.silent_s)
        ready = select.select([run, session.output], [], [], min(beat_s, left_s))[0]
        if run in ready:
            session.close()
            return ""
        # Before anything is read: after a sleep, what comes first may be an answer of before. The session is
        # not waited for, as it may take its time to find out that the way is broken.
        if session.silent_s > patience_s:
            return unheard(session.silent_s)
        if not ready:
            session.beat()
        elif not session.answers():  # the connection was lost, or somebody took the lock from us
            session.close()
            heard_at_s = session.heard_at_s
            select.select([run], [], [], _GIVEN_WAY_S)
            session = Session(again, run, until_s=heard_at_s + patience_s)
            if session.said and not session.has_lock:
                session.close()
                return taken_away(session.said.get("holder", {}))
            if not session.said:
                session.heard_at_s = heard_at_s
                left_s = max(0.0, patience_s - session.silent_s)
                select.select([run], [], [], min(beat_s, left_s))


def end(run: int, pid: int, words: str) -> None:
    """Interrupt the run as whoever sits at its terminal would, and say there why."""
    stderr = _stderr(pid)
    # In a file the run would write its last words over ours.
    last = Path(f"/proc/self/fd/{stderr}").is_file()
    if not last:
        _write(stderr, words)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(run, signal.SIGINT)
        if not select.select([run], [], [], _ENDS_IN_S)[0]:
            signal.pidfd_send_signal(run, signal.SIGTERM)
    if last:
        _write(stderr, words)


def _stderr(pid: int) -> int:
    """Open what a process complains to, never to wait for whoever reads it; -1 where that can't be."""
    with contextlib.suppress(OSError):  # a socket can't be opened so, nor a pipe that nobody reads any more
        return os.open(f"/proc/{pid}/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    return -1


def _write(stderr: int, words: str) -> None:
    """Say it, where there is room for it: nothing that is said may keep a run from its end."""
    with contextlib.suppress(OSError):
        os.write(stderr, f"\n{words}\n".encode())


def _now_s() -> float:
    """Return the seconds since this machine was started, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# Whoever starts us waits until we have closed our output, and not until we end.
if __name__ == "__main__" and os.fork() == 0:
    keep(**json.loads(sys.argv[1]))
