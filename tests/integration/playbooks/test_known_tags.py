"""The tags that README lists and that preflight knows, against those of the playbooks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play

#: what Ansible itself gives a meaning
SPECIAL = {"always", "never", "all"}


def site_tags() -> set[str]:
    """All tags of site.yml but Ansible's own."""
    playbook = Path(sys.executable).with_name("ansible-playbook")
    listed = subprocess.run(
        [playbook, "-i", "inventory/lab", "site.yml", "--list-tags"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.findall(r"TASK TAGS: \[(.*)\]", listed)
    return {tag.strip() for tags in found for tag in tags.split(",")} - SPECIAL


def test_every_tag_is_in_the_readme_and_the_other_way_round() -> None:
    readme = (CHECKOUT / "README.md").read_text()
    table = readme[readme.index("| tag | does |") : readme.index("| playbook | does |")]
    tags = site_tags()
    assert tags - set(re.findall(r"`([a-z0-9_]+)`", table)) == set()
    assert set(re.findall(r"^\| `([a-z0-9_]+)`", table, re.MULTILINE)) - tags == set()


def test_preflight_knows_every_tag_and_no_other() -> None:
    plays = yaml.safe_load((CHECKOUT / "playbooks/preflight.yml").read_text())
    known = {tag for task in plays[0]["tasks"] for tag in task.get("vars", {}).get("_preflight_tags", [])}
    assert known == site_tags()


def test_a_mistyped_tag_is_named_before_anything_is_done(play: Play) -> None:
    run = play("site.yml", "--tags", "worker")
    assert run.code != 0
    assert "No tag worker; there are: provision" in run.output
