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
from miner_cluster.ssh.login import login

#: of the socket on the first server, the same whatever a controller calls the cluster
NAME = "data-miner/run"
#: the lock is free when nothing was heard of the run for so long
LEASE_S = 60.0
BEAT_S = 10.0
_MINUTE_S, _HOUR_S = 60, 3600


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


def command(reach: list[str], holder: Holder, *, break_lock: bool, name: str = NAME) -> list[str]:
    """Return what takes the lock: the program's own text, for the server knows nothing of it.

    Args:
        reach: the command that runs a shell's command on the server; empty for this machine.
        holder: who takes it.
        break_lock: take it from whoever has it.
        name: of the lock.
    """
    program = (Path(__file__).parent / "on_server.py").read_text()
    words = [
        *("/usr/bin/python3", "-c", program, name, json.dumps(asdict(holder)), str(LEASE_S)),
        "break" if break_lock else "ask",
    ]
    return [*reach, shlex.join(words)] if reach else words


def take(cluster: Cluster, holder: Holder, *, break_lock: bool) -> str:
    """Take the lock for as long as the holder's process lives.

    Returns:
        Why there is no lock, where the server can't be asked; empty where it is taken.

    Raises:
        LockedError: another run has it.
    """
    server = cluster.servers[0]
    if away := unreachable({server: (cluster.nodes[server].ip, cluster.ssh.port)}):
        return f"{server} can't be reached ({away[server]})"
    reach = login(cluster, server)
    said = start_keeper(
        holder.pid,
        command(reach, holder, break_lock=break_lock),
        again=command(reach, holder, break_lock=False),
    )
    if said["state"] == "held":
        raise LockedError(refusal(said["holder"], said["age_s"], now_s=time.time()))
    return str(said.get("reason", ""))


def start_keeper(pid: int, first: list[str], *, again: list[str], beat_s: float = BEAT_S) -> dict[str, Any]:
    """Start the process that keeps the lock, and return what the server said."""
    order = json.dumps({"pid": pid, "command": first, "again": again, "beat_s": beat_s})
    line = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "miner_cluster.run_lock.keeper", order],
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


def refusal(holder: dict[str, Any], age_s: float, *, now_s: float) -> str:
    """Say who has the lock, since when, and what to do."""
    if not holder:
        return (
            "Nothing was done. Another run has the lock of this cluster and does not say whose it is; wait a "
            "minute and try again, or take the lock from it: -e break_lock=true"
        )
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now_s - age_s))
    who = f"{holder['user']}@{holder['host']} runs {holder['playbook']} on this cluster since {since}"
    return (
        f"Nothing was done. {who} ({_duration(age_s)}, process {holder['pid']} there). Wait until it has "
        f"ended. Where it hangs, end it there (kill {holder['pid']}), and the lock is free at once; or take "
        "the lock from it, which does not stop it: -e break_lock=true"
    )


def _duration(age_s: float) -> str:
    if age_s < _MINUTE_S:
        return f"{age_s:.0f} s"
    if age_s < _HOUR_S:
        return f"{age_s / _MINUTE_S:.0f} min"
    return f"{age_s / _HOUR_S:.1f} h"
