"""Running the playbooks on machines that are not there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
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


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run a playbook on three machines that nobody has: addresses for documents, and a closed port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    file = tmp_path / "absent" / "cluster_config.yaml"
    file.parent.mkdir()
    file.write_text(GOOD.replace("k3s_version:", f"ssh: {{port: {closed}}}\n  k3s_version:", 1))

    def run(playbook: str, *arguments: str, **environment: str) -> Run:
        return ansible_playbook("-i", str(file.parent), playbook, *arguments, **environment)

    return run
