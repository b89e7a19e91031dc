"""A machine whose GPU can't be used is told why in the end, and nothing stops before; no other is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playbooks.conftest import ansible_playbook

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: nvidia}
    - ansible.builtin.debug: {msg: went on}
    - ansible.builtin.import_role: {name: nvidia, tasks_from: report}
    - ansible.builtin.debug: {msg: was not told}
"""


@pytest.mark.parametrize(
    ("used", "missing", "said"),
    [
        (True, ["the driver is missing"], "the driver is missing"),
        (False, ["the driver is missing"], ""),
    ],
)
def test_what_keeps_a_gpu_from_use_is_told_last(
    tmp_path: Path, used: bool, missing: list[str], said: str
) -> None:
    book = tmp_path / "play.yml"
    book.write_text(PLAY)
    found: dict[str, Any] = {"gpus": ["0000:01:00.0"], "missing": missing, "toolkit": ""}
    values = {"nvidia_gpu": used, "nvidia_found": found}
    run = ansible_playbook("-i", "inventory/lab", str(book), "-e", json.dumps(values))
    assert "went on" in run.output
    assert ("was not told" in run.output) == (not said)
    assert said in run.output
    assert run.code == (2 if said else 0)
