"""What does not know the database's schema is refused by what finds an image, and by what builds one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from data_miner.db.migrate import migrations
from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Run, ansible_playbook

LATEST = migrations()[-1].version
A, B = (f"sha256:{digit * 64}" for digit in "ab")
DEPLOYED = [
    {"at": 1, "tag": "lab", "images": {"workers": A}, "schema": LATEST - 1},
    {"at": 2, "tag": "lab", "images": {"workers": B}, "schema": LATEST + 1},
]


def histories() -> str:
    """Return what the playbook gives the role as the machines' memory."""
    plays = yaml.safe_load((CHECKOUT / "playbooks/image_bring.yml").read_text())
    (task,) = plays[-1]["tasks"]
    return str(task["vars"]["image_histories"])


def run(path: Path, tasks: str, *, schema: int, **variables: Any) -> Run:
    """Run a part of the role on a machine that was looked at, in a cluster whose database has a schema."""
    kubectl = path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf 'schema\\t{schema}\\n'\n")
    kubectl.chmod(0o755)
    given = {
        "image_reference": "data-miner:lab",
        # The first machine is a new one.
        "image_seen": {
            "images": {},
            "deployments": "{{ deployed if inventory_hostname == groups.agent[0] else [] }}",
        },
        "image_histories": histories(),
        "image_database": {"kubectl": str(kubectl), "namespace": "data-miner"},
        "image_log_path": str(path / "log"),
        "image_base": {"reference": "base", "path": str(path / "base"), "image_id": A},
        "ansible_become": False,
    }
    looked = {"facts": {"images": "{{ image_seen }}"}}
    play = {
        "hosts": "server:agent",
        "gather_facts": False,
        "connection": "local",
        "vars": given | variables | {"deployed": DEPLOYED},
        "tasks": [
            {"ansible.builtin.set_fact": {"_preflight_look": looked}},
            {"ansible.builtin.import_role": {"name": "image", "tasks_from": tasks}},
        ],
    }
    file = path / "play.yml"
    file.write_text(yaml.safe_dump([play]))
    return ansible_playbook("-i", "inventory/lab", "--check", str(file), DATA_MINER_CACHE=str(path / "cache"))


@pytest.mark.parametrize(("schema", "refused"), [(LATEST, True), (LATEST - 1, False)])
def test_an_earlier_deployment_is_not_found_where_the_database_has_moved_on(
    tmp_path: Path, schema: int, *, refused: bool
) -> None:
    found = run(tmp_path, "choose", schema=schema, image_tag="previous")
    assert (found.code != 0) == refused, found.output
    assert (f"has schema {schema}, and this image knows {LATEST - 1} at the most" in found.output) == refused


@pytest.mark.parametrize(("schema", "refused"), [(LATEST + 1, True), (LATEST, False)])
def test_earlier_sources_are_not_built_where_the_database_has_moved_on(
    tmp_path: Path, schema: int, *, refused: bool
) -> None:
    found = run(tmp_path, "build", schema=schema)
    assert (found.code != 0) == refused, found.output
    assert ("Check out sources that know it" in found.output) == refused


def test_one_who_knows_better_goes_on(tmp_path: Path) -> None:
    found = run(tmp_path, "choose", schema=LATEST, image_tag="previous", image_database={})
    assert found.code == 0, found.output
