"""A lab of this checkout's own, driven through the commands that a user types."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from miner_cluster.inventory import load_inventory

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
#: name of a project with work to do, and the arguments that choose it
Busy = tuple[str, tuple[str, str]]
#: where a failure begins in what Ansible and Molecule print
TROUBLE = re.compile(r"^.*(\[ERROR\]|fatal: ).*$", re.MULTILINE)
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished command: exit code, everything it printed, and how long it took."""

    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> dict[str, int]:
        """Changed tasks per host, from the play recap."""
        return {match[1]: int(match[3]) for match in RECAP.finditer(self.output)}

    @property
    def asked(self) -> dict[str, int]:
        """Tasks per host that were not skipped, from the play recap."""
        return {match[1]: int(match[2]) for match in RECAP.finditer(self.output)}

    def ok(self) -> Run:
        """Return this run; an AssertionError with its first failure and its end when it failed."""
        found = TROUBLE.search(self.output)
        first = self.output[found.start() :][:4000] if found else ""
        assert self.code == 0, f"exit code {self.code}\n{first}\n…\n{self.output[-2000:]}"
        return self


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The lab `name`: its inventory, its state directory and the commands against it."""

    name: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """Directory with the kubeconfig, the SSH key and the known hosts."""
        return ROOT / ".state" / self.name

    @property
    def inventory(self) -> Path:
        """Directory with the lab's cluster_config.yaml."""
        return self.state / "inventory"

    def run(self, *argv: str, timeout_s: float = 3000) -> Run:
        """Run a command from the root of the checkout; its output is also shown as it comes."""
        started = time.monotonic()
        lines: list[str] = []
        with self.start(*argv) as process:
            assert process.stdout is not None
            timer = threading.Timer(timeout_s, os.killpg, (process.pid, signal.SIGKILL))
            timer.start()
            try:
                for line in process.stdout:
                    lines.append(line)
                    sys.stdout.write(line)
            finally:
                timer.cancel()
        return Run(code=process.returncode, output="".join(lines), seconds=time.monotonic() - started)

    def start(self, *argv: str, quiet: bool = False) -> subprocess.Popen[str]:
        """Start a command from the root of the checkout, in a session of its own, to be killed as a whole.

        Args:
            argv: the command.
            quiet: whether nobody reads what it prints.
        """
        return subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, **self.env, "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def start_play(self, playbook: str, *args: str, quiet: bool = False) -> subprocess.Popen[str]:
        """Start a playbook on this lab, as `start` does; SIGINT reaches it however the tests were started."""
        # A job in the background of a shell ignores the signal, and so would its children.
        return self.start("env", "--default-signal=INT", *self._playbook(playbook, *args), quiet=quiet)

    def make(self, target: str, *args: str) -> Run:
        """Run a Makefile target for this lab."""
        return self.run("make", target, f"LAB={self.name}", *args)

    def play(self, playbook: str, *args: str) -> Run:
        """Run a playbook on this lab."""
        return self.run(*self._playbook(playbook, *args))

    def _playbook(self, playbook: str, *args: str) -> list[str]:
        return ["ansible-playbook", "-i", str(self.inventory), playbook, *args]

    def kill_play(
        self, playbook: str, *args: str, when: str, times: int = 1, once: Callable[[], object] = lambda: True
    ) -> None:
        """Start a playbook and kill all of it when a text has come so many times and `once` is true."""
        with self.start_play(playbook, *args) as process:
            assert process.stdout is not None
            timer = threading.Timer(900, os.killpg, (process.pid, signal.SIGKILL))
            timer.start()
            for line in process.stdout:
                times -= when in line
                if not times:
                    wait_for(f"the moment to kill {playbook}", once)
                    os.killpg(process.pid, signal.SIGKILL)
                    break
            timer.cancel()
        assert process.returncode == -signal.SIGKILL, f"{playbook} ended before {when!r} came"

    def kubectl(self, *args: str) -> str:
        """Run kubectl against this lab's API and return what it prints."""
        kubectl = self.state / "bin" / "kubectl"
        return subprocess.run(
            [kubectl, "--kubeconfig", self.state / "kubeconfig", *args],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout

    def get(self, *args: str) -> Any:
        """Return what `kubectl get … -o json` prints, parsed."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def nodes(self) -> dict[str, str]:
        """Address of each machine by its name, as Ansible gets it."""
        inventory = load_inventory(self.inventory / "cluster_config.yaml")
        return {name: variables["ansible_host"] for name, variables in inventory.hosts.items()}

    def ssh_command(self, node: str, command: str) -> list[str]:
        """What runs a shell command on a node, as Ansible reaches it."""
        hosts = f"UserKnownHostsFile={self.state / 'known_hosts'}"
        options = ["BatchMode=yes", "ConnectTimeout=5", "ServerAliveInterval=5", hosts]
        given = [word for option in options for word in ("-o", option)]
        return ["ssh", "-i", str(self.state / "id_ed25519"), *given, f"root@{self.nodes()[node]}", command]

    def ssh(self, node: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a node."""
        return subprocess.run(
            self.ssh_command(node, command),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def status(self) -> dict[str, Any]:
        """Counts of the projects, as the application itself reports them."""
        printed = self.kubectl(
            *("exec", "-n", "data-miner", "deploy/monitor-worker", "-c", "monitor", "--"),
            *("python", "-m", "data_miner.cli", "status", "--json"),
        )
        parsed: dict[str, Any] = json.loads(printed)
        return parsed


def wait_for(what: str, probe: Callable[[], T | None], *, timeout_s: float = 180) -> T:
    """Return the first true result of `probe`, which may fail meanwhile; AssertionError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.SubprocessError, json.JSONDecodeError):
            last = result = probe()
            if result:
                return result
        time.sleep(1)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s; last seen: {last!r}")


def left(lab: Lab, project: str) -> int:
    """Items that wait or are worked on."""
    stages = lab.status()["projects"].get(project, {"stages": {}})["stages"]
    assert sum(stage["dead"] for stage in stages.values()) == 0
    return sum(stage["ready"] + stage["leased"] for stage in stages.values())


def own_lab() -> Lab:
    """The lab of this checkout: its name tells checkouts on one machine apart."""
    digest = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]
    return Lab(name=f"e2e-{digest}")


@contextlib.contextmanager
def deployed_lab() -> Iterator[tuple[Lab, Run]]:
    """A lab made from nothing by `make site`, and that run; removed afterwards unless KEEP_LAB is set."""
    lab = own_lab()
    if lab.inventory.exists():
        lab.make("lab-down").ok()
        # Its file stays, and may be as tests before have left it: with another version of k3s.
        shutil.rmtree(lab.inventory)
    try:
        yield lab, lab.make("site").ok()
    finally:
        if not os.environ.get("KEEP_LAB"):
            lab.make("lab-down").ok()
