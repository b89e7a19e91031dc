"""Our modules that are sent without Ansible's own, called by Ansible."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.integration.playbooks.conftest import Play

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - {options}
      vars: {{ansible_python_interpreter: "{python}"}}
      register: found
    - copy: {{content: "{{{{ found | to_json }}}}", dest: "{told}", mode: "0600"}}
"""


@pytest.mark.parametrize(
    ("python", "version"),
    [
        ("/usr/bin/python3", None),
        ("auto_silent", None),
        ("{{ ansible_playbook_python }}", list(sys.version_info[:2])),
    ],
)
def test_a_look_runs_with_the_python_that_the_machine_is_to_use(
    play: Play, tmp_path: Path, python: str, version: list[int] | None
) -> None:
    told = tmp_path / "told.json"
    playbook = tmp_path / "look.yml"
    playbook.write_text(PLAYBOOK.format(options='node_check: {paths: ["/"]}', told=told, python=python))
    run = play(str(playbook))
    assert run.code == 0, run.output
    facts = json.loads(told.read_text())["facts"]
    assert facts["disks"]["/"]["total_bytes"] > 0
    assert version in (None, facts["python"])


def test_a_secret_is_made_up_once_and_check_mode_makes_none(play: Play, tmp_path: Path) -> None:
    told, kept = tmp_path / "told.json", tmp_path / "secrets" / "password"
    playbook = tmp_path / "secret.yml"
    options = f'generated_secret: {{secrets: [{{name: one, path: "{kept}"}}]}}'
    playbook.write_text(PLAYBOOK.format(options=options, told=told, python=sys.executable))
    assert play(str(playbook), "--check").code == 0
    assert not kept.exists()
    said = []
    for _ in range(2):
        assert play(str(playbook)).code == 0
        said.append(json.loads(told.read_text()))
    assert [one["changed"] for one in said] == [True, False]
    assert said[0]["secrets"] == said[1]["secrets"] == {"one": kept.read_text().strip()}


def test_an_option_that_does_not_exist_is_refused_before_anything_is_sent(play: Play, tmp_path: Path) -> None:
    playbook = tmp_path / "wrong.yml"
    for options, words in (
        ("node_check: {path: /}", "Unsupported parameters"),
        ("node_check: {}", "/nowhere/python3 ended with 127"),
    ):
        playbook.write_text(
            PLAYBOOK.format(options=options, told=tmp_path / "told", python="/nowhere/python3")
        )
        run = play(str(playbook))
        assert run.code == 2
        assert words in run.output
