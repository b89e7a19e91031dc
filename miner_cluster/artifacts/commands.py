"""Child processes of builds: they end when the build is given up, and when this process dies.

Each runs in a session of its own, so that all its descendants can be ended together. The lock of the
artifact is handed down to them: whatever outlives a killed build still holds it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from miner_cluster.artifacts.recipe import ArtifactError

GRACE_S = 5.0
_TAIL_LINES = 20
#: names of the packages to install, by command, where the two differ
_PACKAGES = {"setpriv": "util-linux", "chroot": "coreutils"}


class Interrupted(BaseException):
    """The builds were given up; like KeyboardInterrupt, not an error to handle on the way."""


@dataclass
class Commands:
    """The running child processes of all builds."""

    _cancelled: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: set[subprocess.Popen[str]] = field(default_factory=set)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> str:
        """Run a command to its end and return what it printed; stderr goes to the log with it.

        Raises:
            ArtifactError: it can't be started or failed.
            Interrupted: ``cancel`` was called.
        """
        require_command(argv[0])
        with log.open("a+", encoding="utf-8", errors="replace") as output:
            print("+", *argv, file=output, flush=True)
            start = output.tell()
            code = self._wait(self._start(argv, cwd, env, output, pass_fds))
        if self._cancelled.is_set():
            raise Interrupted
        text = log.read_bytes()[start:].decode("utf-8", "replace")
        if code:
            tail = "\n".join(text.rstrip().splitlines()[-_TAIL_LINES:])
            raise ArtifactError(f"{argv[0]} failed with exit code {code}; it said at the end:\n{tail}")
        return text

    def cancel(self) -> None:
        """End every child process, and let none start any more."""
        with self._lock:
            self._cancelled.set()
            running = list(self._running)
        for process in running:
            end_session(process)

    def check(self) -> None:
        """Raise Interrupted where the builds were given up."""
        if self._cancelled.is_set():
            raise Interrupted

    def _start(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        output: IO[str],
        pass_fds: Sequence[int],
    ) -> subprocess.Popen[str]:
        with self._lock:
            self.check()
            process = subprocess.Popen(  # noqa: S603 - recipes' own argument lists, no shell
                ["setpriv", "--pdeathsig=KILL", "--", *argv],  # noqa: S607 - found on the user's PATH
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
            self._running.add(process)
        return process

    def _wait(self, process: subprocess.Popen[str]) -> int:
        try:
            return process.wait()
        finally:
            _signal(process.pid, signal.SIGKILL)  # what it may have left behind
            with self._lock:
                self._running.discard(process)


def require_command(name: str) -> None:
    """Check that a command is there.

    Raises:
        ArtifactError: it is not; with the package to install.
    """
    if shutil.which(name) is None:
        package = _PACKAGES.get(name, Path(name).name)
        part = "image" if name == "buildah" else "lab"
        raise ArtifactError(f"{name} is not installed; run scripts/bootstrap {part}, or install {package}")


def end_session(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started: politely, then not."""
    deadline = time.monotonic() + GRACE_S
    _signal(process.pid, signal.SIGTERM)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
