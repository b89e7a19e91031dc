"""Machines that do not answer are out of the run, and Ansible's exit code says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import ansible_playbook

PLAY = """
- hosts: lab-agent-1:lab-agent-2
  gather_facts: false
  tasks:
    - machine_left_out: {reason: no answer in 5 s}
      when: inventory_hostname == 'lab-agent-1'

- hosts: lab-agent-1:lab-agent-2
  gather_facts: false
  serial: 1
  tasks:
    - ansible.builtin.debug: {msg: "{{ inventory_hostname }} went on with {{ ansible_play_hosts }}"}

- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ lookup('unreachable_nodes', cluster=cluster, addresses={'gone': '127.0.0.254'}) }}"
"""


def test_a_machine_that_is_left_out_is_in_no_later_play_and_fails_the_run(tmp_path: Path) -> None:
    book = tmp_path / "play.yml"
    book.write_text(PLAY)
    run = ansible_playbook("-i", "inventory/lab", str(book))
    assert "no answer in 5 s" in run.output
    assert "lab-agent-2 went on with ['lab-agent-2']" in run.output.replace("''", "'")
    assert "lab-agent-1 went on" not in run.output
    assert run.code == 4  # what Ansible ends with where hosts were unreachable


IMPORT = """
- hosts: lab-server:lab-agent-1:lab-agent-2
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.fail: {msg: the disk is full}
      register: _image_import
      when: inventory_hostname == FAILS
    - ansible.builtin.debug: {msg: goes on}

- ansible.builtin.import_playbook: EVERYWHERE

- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: pods are rolled}
"""


@pytest.mark.parametrize("fails", ["lab-agent-1", ""])
def test_no_pods_are_rolled_where_a_machine_could_not_take_the_images(tmp_path: Path, fails: str) -> None:
    book = tmp_path / "play.yml"
    everywhere = str(CHECKOUT / "playbooks/image_everywhere.yml")
    book.write_text(IMPORT.replace("FAILS", f"'{fails}'").replace("EVERYWHERE", everywhere))
    run = ansible_playbook("-i", "inventory/lab", str(book))
    assert ("they would not start on lab-agent-1: mend" in " ".join(run.output.split())) == bool(fails)
    assert ("pods are rolled" in run.output) == (not fails)
    assert (run.code == 0) == (not fails)


def test_machines_that_are_not_in_the_file_any_more_can_be_asked_too(tmp_path: Path) -> None:
    book = tmp_path / "play.yml"
    book.write_text(PLAY)
    assert "gone: connection refused" in ansible_playbook("-i", "inventory/lab", str(book)).output
