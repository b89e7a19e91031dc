"""Takes the lock for a run, or says who has it."""

from __future__ import annotations

import getpass
import json
import shlex
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_miner.errors import MinerError
from miner_cluster.cluster import CHECKOUT, Cluster
from miner_cluster.reach import unreachable
from miner_cluster.run_lock.words import at_work, refusal
from miner_cluster.ssh.login import login

#: of the socket on the first server, the same whatever a controller calls the cluster
NAME = "data-miner/run"
#: the lock is free when nothing was heard of the run for so long
LEASE_S = 60.0
BEAT_S = 10.0
#: where the lock is waited for, how often it is asked for
_PAUSE_S = 5.0
#: within which the server says who has it
_LOOK_S = 20.0


class LockedError(MinerError):
    """Another run changes the cluster."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who has the lock."""

    #: tells this run from every other
    run: str
    user: str
    host: str
    pid: int
    playbook: str


def this_run(pid: int, playbook: str) -> Holder:
    """Return the holder that a process of this controller is."""
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    host = socket.gethostname()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Holder(
        run=f"{boot} {pid} {started}", user=getpass.getuser(), host=host, pid=pid, playbook=playbook
    )


def command(
    reach: list[str], holder: Holder, *, wish: str, name: str = NAME, lease_s: float = LEASE_S
) -> list[str]:
    """Return what takes the lock: the program's own text, for the server knows nothing of it.

    Args:
        reach: the command that runs a shell's command on the server; empty for this machine.
        holder: who takes it.
        wish: "ask", "break", "again" or "look", as the program has it.
        name: of the lock.
        lease_s: how long it is held when nothing is heard of the run.
    """
    program = (Path(__file__).parent / "on_server.py").read_text()
    words = [
        "/usr/bin/python3",
        "-I",
        "-S",
        "-c",
        program,
        name,
        json.dumps(asdict(holder)),
        str(lease_s),
        wish,
    ]
    return [*reach, shlex.join(words)] if reach else words


def take(cluster: Cluster, holder: Holder, *, break_lock: bool, wait_s: float = 0) -> str:
    """Take the lock for as long as the holder's process lives; what it has already it is not given again.

    Args:
        cluster: the configuration.
        holder: who takes it.
        break_lock: take it from whoever has it.
        wait_s: how long another run may take to end.

    Returns:
        Why there is no lock, where the server can't be asked; empty where it is taken.

    Raises:
        LockedError: another run has it.
    """
    server = cluster.servers[0]
    if away := unreachable({server: (cluster.nodes[server].ip, cluster.ssh.port)}):
        return f"{server} can't be reached ({away[server]})"
    reach = login(cluster, server)
    first = command(reach, holder, wish="break" if break_lock else "ask")
    again = command(reach, holder, wish="again")
    until_s = time.monotonic() + wait_s
    while (said := start_keeper(holder.pid, first, again=again))["state"] == "held":
        if time.monotonic() + _PAUSE_S > until_s:
            break
        time.sleep(_PAUSE_S)
    if said["state"] == "held":
        raise LockedError(refusal(said["holder"], said["age_s"], now_s=time.time()))
    return str(said.get("reason", ""))


def look(cluster: Cluster) -> str:
    """Return in words who changes the cluster now; empty where nobody does, or the server can't be asked."""
    server = cluster.servers[0]
    if unreachable({server: (cluster.nodes[server].ip, cluster.ssh.port)}):
        return ""
    return look_by(login(cluster, server))


def look_by(reach: list[str], *, name: str = NAME) -> str:
    """Do the same by a command that reaches the server; see ``command``."""
    nobody = Holder(run="", user="", host="", pid=0, playbook="")
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command(reach, nobody, wish="look", name=name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOOK_S,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        return at_work(found["holder"], found["age_s"], now_s=time.time()) if found else ""
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return ""


def start_keeper(
    pid: int,
    first: list[str],
    *,
    again: list[str],
    beat_s: float = BEAT_S,
    patience_s: float = LEASE_S - BEAT_S,
) -> dict[str, Any]:
    """Start the process that keeps the lock, and return what the server said."""
    order = json.dumps(
        {"pid": pid, "command": first, "again": again, "beat_s": beat_s, "patience_s": patience_s}
    )
    line = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-S", "-m", "miner_cluster.run_lock.keeper", order],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        # What is typed at the terminal to interrupt the run is not for the keeper, which ends after it.
        start_new_session=True,
    ).stdout
    if not line:
        return {"state": "unknown", "reason": "the process that keeps the lock has ended"}
    said: dict[str, Any] = json.loads(line)
    return said
