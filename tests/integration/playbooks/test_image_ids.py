"""Manifests name the images that run where no machine that has them could be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import ansible_playbook

#: stands for the API
LOOKUP = """
from ansible.plugins.lookup import LookupBase

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [{"data-miner:lab": "old", "data-miner-models:lab": "models", "docker.io/other:1": "x"}]
"""


@pytest.mark.parametrize(
    ("tags", "known", "expected"),
    [
        ("workers", {"data-miner:lab": "new"}, {"data-miner:lab": "new", "data-miner-models:lab": "models"}),
        ("all", {}, {"data-miner:lab": "old", "data-miner-models:lab": "models"}),
        ("k3s", {}, {}),
    ],
)
def test_what_no_machine_was_asked_for_is_what_runs(
    tmp_path: Path, tags: str, known: dict[str, str], expected: dict[str, str]
) -> None:
    plays = yaml.safe_load((CHECKOUT / "playbooks/image_ids.yml").read_text())
    play = next(play for play in plays if play["name"] == "Know which images run")
    ids = {"image_ids": known, "artifacts": {"images": []}}
    play["tasks"] = [
        {"ansible.builtin.set_fact": ids},
        *play["tasks"],
        {"ansible.builtin.copy": {"content": "{{ image_ids | to_json }}", "dest": str(tmp_path / "found")}},
    ]
    (tmp_path / "lookup_plugins").mkdir()
    (tmp_path / "lookup_plugins/deployed_images.py").write_text(LOOKUP)
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump([play]))
    run = ansible_playbook("-i", "inventory/lab", str(book), "--tags", tags)
    assert run.code == 0, run.output
    assert json.loads((tmp_path / "found").read_text()) == expected
