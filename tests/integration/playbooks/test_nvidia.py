"""What is found when GPUs are first looked for still stands when it is reported, later in the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import ansible_playbook

#: stands for nvidia_info on a machine with a GPU and without its driver
LOOK = """
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec={}, supports_check_mode=True)
module.exit_json(changed=False, gpus=["0000:01:00.0"], missing=["the driver is missing"])
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {nvidia_gpu: @GPU@}
  tasks:
    - ansible.builtin.import_role: {name: nvidia, tasks_from: detect}
    - ansible.builtin.import_role: {name: nvidia}
    - ansible.builtin.debug: {msg: went on}
"""


@pytest.mark.parametrize(("gpu", "stops"), [("~", True), ("true", True), ("false", False)])
def test_what_a_gpu_lacks_is_told_after_it_was_looked_for(tmp_path: Path, gpu: str, stops: bool) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "nvidia_info.py").write_text(LOOK)
    book = tmp_path / "play.yml"
    book.write_text(PLAY.replace("@GPU@", gpu))
    library = f"{tmp_path / 'modules'}:{CHECKOUT / 'library'}"
    run = ansible_playbook("-i", "inventory/lab", str(book), ANSIBLE_LIBRARY=library)
    assert ("the driver is missing" in run.output) == stops
    assert ("went on" in run.output) != stops
    assert run.code == (2 if stops else 0)
