"""A process beside a run that has the lock: keeps a session with the first server until the run is gone.

The run itself can't: its tasks are processes of their own that end, and a run that is killed does nothing
more. The kernel tells us at once when it ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path


class Session:
    """The program on the server, and the pipes to it.

    Args:
        command: starts it. It is waited for until it has said whether it has the lock, or has ended.
    """

    def __init__(self, command: list[str]) -> None:
        read, self._write = os.pipe()
        output, write = os.pipe()
        self._process = subprocess.Popen(command, stdin=read, stdout=write, stderr=subprocess.PIPE)  # noqa: S603
        os.close(read)
        os.close(write)
        self.output = os.fdopen(output, encoding="utf-8")
        #: what it said, a line of JSON, after what a login shell greets with; empty where it never came
        self.said = next((line for line in self.output if line.startswith("{")), "")

    @property
    def has_lock(self) -> bool:
        """Whether it has the lock."""
        return bool(self.said) and json.loads(self.said)["state"] == "taken"

    def beat(self) -> None:
        """Tell the program that we are there; where it is gone, its output has ended too."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._write, b"\n")

    def close(self) -> str:
        """End the program, and return what was complained about."""
        os.close(self._write)
        _, complaint = self._process.communicate()
        self.output.close()
        return complaint.decode(errors="replace").strip()


def keep(pid: int, command: list[str], again: list[str], beat_s: float) -> None:
    """Take the lock, print what was said, and keep it while the process lives.

    Args:
        pid: of the run.
        command: takes the lock.
        again: takes it again after the connection was lost.
        beat_s: how often the server hears of us, and how long after a loss the lock is taken again.
    """
    run = os.pidfd_open(pid)
    session = Session(command)
    if not session.has_lock:
        print(session.said or json.dumps({"state": "unknown", "reason": session.close()}))
        return
    print(session.said, flush=True)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    while True:
        ready, _, _ = select.select([run, session.output.fileno()], [], [], beat_s)
        if run in ready:
            break
        if ready:  # the connection was lost, or somebody took the lock from us
            session.close()
            if select.select([run], [], [], beat_s)[0]:
                return
            session = Session(again)
            if session.said and not session.has_lock:
                break
        session.beat()
    session.close()


# Whoever starts us waits until we have closed our output, and not until we end.
if __name__ == "__main__" and os.fork() == 0:
    keep(**json.loads(sys.argv[1]))
