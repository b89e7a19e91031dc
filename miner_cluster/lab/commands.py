"""Running the programs that make a lab."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from miner_cluster.lab.errors import LabError

#: podman writes netavark's rules with iptables everywhere, so that ours and theirs stand in one list
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "NETAVARK_FW": "iptables"}


def run(*argv: str, ok: Sequence[int] = (0,), timeout_s: float = 300) -> str:
    """Run a program and return what it prints.

    Raises:
        LabError: it ended with another code than ``ok``, or not in time; with the last line of what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **_ENVIRONMENT},
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed: run scripts/bootstrap lab") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv[:3])} …: no end after {timeout_s:.0f} s") from error
    if done.returncode not in ok:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        command = " ".join([argv[0], *(word for word in argv[1:] if not word.startswith("-"))][:3])
        raise LabError(f"{command} …: exit code {done.returncode}: {said}")
    return done.stdout
