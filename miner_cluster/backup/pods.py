"""Programs in pods: their output into a file, their input from one, without holding either in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from miner_cluster.backup.errors import BackupError

_SHOWN = 600


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A container in which programs are run, with this controller's kubectl."""

    kubectl: Path
    namespace: str
    name: str
    container: str
    timeout_s: float = 3600

    def text(self, *argv: str, stdin: str = "") -> str:
        """Run a program and return what it prints.

        Raises:
            BackupError: it fails, or takes too long.
        """
        return self._run(argv, text=stdin).stdout.decode(errors="replace")

    def save(self, path: Path, *argv: str) -> str:
        """Run a program, put what it prints into a new file, and return what it says besides.

        Raises:
            BackupError: it fails, or takes too long.
            OSError: the file can't be written.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            return self._run(argv, stdout=file).stderr.decode(errors="replace")

    def load(self, path: Path, *argv: str) -> str:
        """Run a program with a file for its input, and return what it prints.

        Raises:
            BackupError: it fails, or takes too long.
            OSError: the file can't be read.
        """
        with path.open("rb") as file:
            return self._run(argv, stdin=file).stdout.decode(errors="replace")

    def _run(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        text: str = "",
        stdout: IO[bytes] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        command = [
            *(str(self.kubectl), "exec", "--stdin", "--namespace", self.namespace, self.name),
            *("--container", self.container, "--", *argv),
        ]
        try:
            done = subprocess.run(  # noqa: S603 - our own arguments
                command,
                stdin=stdin,
                input=None if stdin else text.encode(),
                stdout=stdout or subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BackupError(
                f"{argv[0]} in pod {self.name} did not end in {self.timeout_s:.0f} s; see: "
                f"kubectl -n {self.namespace} describe pod {self.name}"
            ) from error
        except OSError as error:
            raise BackupError(
                f"{self.kubectl}: {error.strerror}; run: ansible-playbook site.yml --tags k3s"
            ) from error
        if done.returncode:
            said = " ".join((done.stderr + (done.stdout or b"")).decode(errors="replace").split())[-_SHOWN:]
            raise BackupError(
                f"{argv[0]} in pod {self.name} ends with {done.returncode}: {said}; see: "
                f"kubectl -n {self.namespace} get pod {self.name}"
            )
        return done
