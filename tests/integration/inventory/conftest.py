"""Running ansible-playbook on inventories of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.unit.cluster.conftest import GOOD

LOOK = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "cluster={{ cluster.name }} run={{ cluster.run_config }} lab={{ cluster.lab is defined }}"
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.debug:
        msg: "node={{ node.name }} {{ node.role }} {{ cluster.name }}"
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run of ansible-playbook did."""

    code: int
    output: str


Play = Callable[..., Run]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A directory with a cluster_config.yaml that is right."""
    directory = tmp_path / "here"
    directory.mkdir()
    (directory / "cluster_config.yaml").write_text(GOOD)
    return directory


@pytest.fixture
def play(tmp_path: Path, inventory: Path) -> Play:
    """Run a playbook, by default one that shows the variables, on an inventory, by default the right one."""
    look = tmp_path / "look.yml"
    look.write_text(LOOK)

    def run(*arguments: str, playbook: Path = look, on: Path = inventory) -> Run:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(on), str(playbook)]
        done = subprocess.run(
            [*command, *arguments],
            cwd=CHECKOUT,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "COLUMNS": "80"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Run(code=done.returncode, output=done.stdout + done.stderr)

    return run
