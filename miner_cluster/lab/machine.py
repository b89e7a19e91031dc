"""Inside a running machine: its files through /proc, and SSH to it."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from miner_cluster.lab.errors import LabError
from miner_cluster.lab.model import SITE_PORT, FoundMachine, Lab, Machine

_HOSTS = "etc/hosts"
_KEYS = "root/.ssh/authorized_keys"
_HOST_KEY = "etc/ssh/ssh_host_ed25519_key.pub"
#: what systemd says of itself once it has started everything; with "degraded" a unit failed
_UP = {"running", "degraded"}
_USER = "root"


def read(pid: int) -> FoundMachine | None:
    """Return the files of the machine with this first process; None where it is gone or still starts."""
    root = Path(f"/proc/{pid}/root")
    try:
        host_key = " ".join((root / _HOST_KEY).read_text("utf-8").split()[:2])
        hosts = (root / _HOSTS).read_text("utf-8")
    except OSError:
        return None
    keys = root / _KEYS
    return (
        FoundMachine(
            hosts=hosts, authorized_keys=keys.read_text("utf-8") if keys.exists() else "", host_key=host_key
        )
        if host_key
        else None
    )


def write(pid: int, files: FoundMachine) -> None:
    """Write /etc/hosts and root's authorized keys of a running machine."""
    root = Path(f"/proc/{pid}/root")
    (root / _HOSTS).write_text(files.hosts, "utf-8")
    keys = root / _KEYS
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    new = keys.with_suffix(".new")
    new.write_text(files.authorized_keys, "utf-8")
    new.chmod(0o600)
    new.rename(keys)


def wait_until_up(lab: Lab, machine: Machine, *, timeout_s: float) -> str:
    """Wait until a machine answers over SSH and systemd has started everything; return systemd's word.

    Raises:
        LabError: not in time; with what SSH said last.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = deadline - time.monotonic()
        said = _ssh(lab, machine, "systemctl is-system-running --wait", timeout_s=max(left_s, 1))
        if said in _UP:
            return said
        if left_s <= 0:
            raise LabError(f"{machine.name} ({machine.ip}) is not up after {timeout_s:.0f} s: {said}")
        time.sleep(0.1)


def failed_units(lab: Lab, machine: Machine) -> str:
    """Return the names of the units that failed in a machine."""
    said = _ssh(lab, machine, "systemctl list-units --failed --plain --no-legend --full", timeout_s=10)
    return ", ".join(line.split()[0] for line in said.splitlines() if line.strip())


def wait_for_site(ip: str, *, timeout_s: float) -> None:
    """Wait until the site answers.

    Raises:
        LabError: not in time.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + timeout_s
    url = f"http://{ip}:{SITE_PORT}/healthz"
    while True:
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise LabError(f"the lab's site does not answer at {url}: {error}") from error
        time.sleep(0.1)


def _ssh(lab: Lab, machine: Machine, command: str, *, timeout_s: float) -> str:
    """Run a command in a machine; return the last line that it, or SSH, said."""
    options = (
        "BatchMode=yes",
        "ConnectTimeout=5",
        "ControlPath=none",
        "GlobalKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "StrictHostKeyChecking=yes",
        f'UserKnownHostsFile="{lab.known_hosts}"',
    )
    argv = ["ssh", "-F", "none", "-i", str(lab.ssh_key), *(f"-o{option}" for option in options)]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            [*argv, f"{_USER}@{machine.ip}", command],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return "no answer in time"
    return done.stdout.strip() or done.stderr.strip()
