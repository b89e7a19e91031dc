"""The end of a deployment is written down where it is not known; other machines are not asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import ansible_playbook

COMPLETED = {"at": 1, "tag": "lab", "images": {"workers": "sha256:a"}}
UNDER_WAY = {**COMPLETED, "under_way": "previous"}


@pytest.mark.parametrize(
    ("seen", "brought", "asked"),
    [
        ([], None, False),
        ([COMPLETED], None, False),
        ([COMPLETED], [COMPLETED], False),
        ([UNDER_WAY], None, True),  # a run of --tags app after one that was interrupted
        ([COMPLETED], [COMPLETED, UNDER_WAY], True),
    ],
)
def test_machines_are_told_where_something_is_under_way(
    tmp_path: Path, seen: list[Any], brought: list[Any] | None, asked: bool
) -> None:
    known: dict[str, Any] = {"_preflight_look": {"facts": {"images": {"deployments": seen}}}}
    if brought is not None:
        known["_image_node"] = {"deployments": brought}
    here = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    file = tmp_path / "known.json"
    file.write_text(json.dumps(known | here))
    done = str(CHECKOUT / "playbooks/image_done.yml")
    run = ansible_playbook("-i", "inventory/lab", "--check", "--limit", "lab-agent-1", "-e", f"@{file}", done)
    assert run.code == 0, run.output
    assert ("ok=1" in run.output) == asked
    assert ("skipped=1" in run.output) != asked
