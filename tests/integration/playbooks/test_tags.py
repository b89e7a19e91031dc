"""The README's tag table against the playbooks themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from miner_cluster.cluster import CHECKOUT

#: what Ansible itself gives a meaning
SPECIAL = {"always", "never", "all"}


def test_every_tag_of_the_site_is_in_the_readme_and_the_other_way_round() -> None:
    playbook = Path(sys.executable).with_name("ansible-playbook")
    listed = subprocess.run(
        [playbook, "-i", "inventory/lab", "site.yml", "--list-tags"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    tags = {tag.strip() for found in re.findall(r"TASK TAGS: \[(.*)\]", listed) for tag in found.split(",")}
    readme = (CHECKOUT / "README.md").read_text()
    table = readme[readme.index("| tag | does |") : readme.index("| playbook | does |")]
    documented = set(re.findall(r"`([a-z0-9_]+)`", table))
    assert tags - SPECIAL - documented == set()
    assert set(re.findall(r"^\| `([a-z0-9_]+)`", table, re.MULTILINE)) - tags == set()
