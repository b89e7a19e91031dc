"""A machine with a GPU is told what it lacks; one without, or told to have none, is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.playbooks.conftest import ansible_playbook

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: nvidia}
    - ansible.builtin.debug: {msg: went on}
"""


@pytest.mark.parametrize(
    ("said", "gpus", "stops"),
    [
        (None, ["0000:01:00.0"], True),
        (None, [], False),
        (True, [], True),
        (False, ["0000:01:00.0"], False),
    ],
)
def test_what_a_gpu_lacks_is_told(tmp_path: Path, said: bool | None, gpus: list[str], stops: bool) -> None:
    book = tmp_path / "play.yml"
    book.write_text(PLAY)
    found = {"nvidia_gpu": said, "nvidia_found": {"gpus": gpus, "missing": ["the driver is missing"]}}
    run = ansible_playbook("-i", "inventory/lab", str(book), "-e", json.dumps(found))
    assert ("the driver is missing" in run.output) == stops
    assert ("went on" in run.output) != stops
    assert run.code == (2 if stops else 0)
