"""Running the playbooks on machines that are not there."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.unit.cluster.conftest import GOOD


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run of ansible-playbook did."""

    code: int
    output: str


Play = Callable[..., Run]
#: seconds in which a program at a terminal must end, and after which a person types once more
TERMINAL_TIMEOUT_S = 300
TYPE_AGAIN_S = 2


def ansible_playbook(*arguments: str, **environment: str) -> Run:
    """Run ansible-playbook in the checkout, without a token of the developer's own."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "HF_TOKEN": "", "ANSIBLE_NOCOLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return Run(code=done.returncode, output=done.stdout + done.stderr)


def at_a_terminal(question: str, typed: str, *arguments: str) -> Run:
    """Run ansible-playbook as a person does who types something when a question has come."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(CHECKOUT)
        os.execve(program, [program, *arguments], {**os.environ, "ANSIBLE_NOCOLOR": "1"})  # noqa: S606
    output = b""
    until = time.monotonic() + TERMINAL_TIMEOUT_S
    try:
        while time.monotonic() < until:
            if select.select([terminal], [], [], TYPE_AGAIN_S)[0]:
                asked = question.encode() in output
                output += os.read(terminal, 4096)
                if asked or question.encode() not in output:
                    continue
            # What is typed before the question is read is thrown away, so it is typed until it is answered.
            if question.encode() in output:
                os.write(terminal, typed.encode())
        os.kill(pid, signal.SIGKILL)  # it waits for something else
    except OSError:
        pass  # the program has ended, and its terminal with it
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Run(code=code, output=output.decode().replace("\r", ""))


@pytest.fixture
def absent(tmp_path: Path) -> Path:
    """An inventory of three machines that nobody has: addresses for documents, and a closed port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    file = tmp_path / "absent" / "cluster_config.yaml"
    file.parent.mkdir()
    file.write_text(GOOD.replace("k3s_version:", f"ssh: {{port: {closed}}}\n  k3s_version:", 1))
    return file.parent


@pytest.fixture
def play(absent: Path) -> Play:
    """Run a playbook on machines that nobody has."""

    def run(playbook: str, *arguments: str, **environment: str) -> Run:
        return ansible_playbook("-i", str(absent), playbook, *arguments, **environment)

    return run


class _Greeter(socketserver.BaseRequestHandler):
    """Greets as an SSH server does, and hangs up."""

    def handle(self) -> None:
        """Answer one who connects."""
        self.request.sendall(b"SSH-2.0-nobody\r\n")


@pytest.fixture
def two_answers(absent: Path) -> Iterator[None]:
    """The machine ``two`` is there, and lets nobody in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
    file = absent / "cluster_config.yaml"
    with socketserver.ThreadingTCPServer((address, 0), _Greeter) as server:
        port = f"port: {server.server_address[1]}"
        file.write_text(re.sub(r"port: \d+", port, file.read_text(), count=1).replace("192.0.2.2", address))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
