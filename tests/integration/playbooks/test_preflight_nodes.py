"""What the first server is asked where the controller has no access: an answer, or nobody knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import ansible_playbook


@pytest.mark.parametrize(
    ("program", "known"),
    [
        (None, {}),  # an interrupted first run: there is a unit, and no program yet
        ("echo half an answer; exit 1", {}),
        ("exit 0", {}),
        ("echo one v1.33.1+k3s1; echo two v1.33.2+k3s1", {"one": "v1.33.1+k3s1", "two": "v1.33.2+k3s1"}),
    ],
)
def test_a_first_server_whose_k3s_gives_no_answer_ends_no_run(
    tmp_path: Path, program: str | None, known: dict[str, str]
) -> None:
    plays = yaml.safe_load((CHECKOUT / "playbooks/preflight.yml").read_text())
    play = next(play for play in plays if play["name"] == "Preflight, the result")
    ask, together = play["tasks"][:2]
    k3s = tmp_path / "k3s"
    if program is not None:
        k3s.write_text(f"#!/bin/sh\n{program}\n")
        k3s.chmod(0o755)
    ask["ansible.builtin.command"]["argv"][0] = str(k3s)
    versions = {"versions": together["vars"]["_preflight_versions"]}
    written = {"content": "{{ versions | to_json }}", "dest": str(tmp_path / "known")}
    play["tasks"] = [ask, {"ansible.builtin.copy": written, "vars": versions}]
    play["vars"] |= {"_preflight_first": {"k3s_units": ["k3s.service"]}, "ansible_become": False}
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump([play]))
    inventory = tmp_path / "hosts"
    inventory.write_text("[server]\nserver ansible_connection=local\n")
    cluster = json.dumps({"cluster": {"state_dir": str(tmp_path)}})
    run = ansible_playbook("-i", str(inventory), str(book), "-e", cluster, ANSIBLE_INVENTORY_ENABLED="ini")
    assert run.code == 0, run.output
    assert json.loads((tmp_path / "known").read_text()) == known


LOOKUP = """
from ansible.plugins.lookup import LookupBase

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [{"one": []}]
"""


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ((), True),
        (("--tags", "labels"), True),
        (("--tags", "workers"), False),
        (("--skip-tags", "labels"), False),
        (("-e", "preflight_upgrade=true"), False),
        (("-e", '{"preflight_taints": false}'), False),
    ],
)
def test_taints_of_others_are_asked_for_where_a_run_sets_some(
    tmp_path: Path, arguments: tuple[str, ...], asked: bool
) -> None:
    plays = yaml.safe_load((CHECKOUT / "playbooks/preflight.yml").read_text())
    play = next(play for play in plays if play["name"] == "Preflight, the result")
    taints = {"taints": play["tasks"][1]["vars"]["_preflight_taints"]}
    play["tasks"] = [
        {"ansible.builtin.debug": {"msg": "{{ 'asked' if taints else 'left out' }}"}, "vars": taints}
    ]
    play["vars"].pop("_preflight_first")
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump([play]))
    (tmp_path / "lookup_plugins").mkdir()
    (tmp_path / "lookup_plugins/taint_conflicts.py").write_text(LOOKUP)
    run = ansible_playbook("-i", "inventory/lab", str(book), *arguments)
    assert run.code == 0, run.output
    assert ("msg: asked" in run.output) == asked, run.output
