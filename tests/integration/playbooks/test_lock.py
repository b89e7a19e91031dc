"""Which playbooks let nobody else change the cluster meanwhile."""

from __future__ import annotations

import re

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play

#: change nothing of a cluster, or nothing but what one run at a time can have
LOOKING = {"backup", "support", "preflight", "status", "verify", "credentials", "render", "lab"}
COMMANDS = re.findall(
    r"^\| `((?:playbooks/)?\w+\.yml)` \|", (CHECKOUT / "README.md").read_text(), re.MULTILINE
)
CHANGING = sorted({"site.yml", "teardown.yml", *COMMANDS} - {f"playbooks/{name}.yml" for name in LOOKING})


@pytest.mark.parametrize("playbook", CHANGING)
def test_a_playbook_that_changes_the_cluster_takes_the_lock_first(playbook: str) -> None:
    first = yaml.safe_load((CHECKOUT / playbook).read_text())[0]
    assert first["ansible.builtin.import_playbook"].rpartition("/")[2] == "lock.yml"


def test_where_the_server_is_away_preflight_has_the_word(play: Play) -> None:
    run = play("site.yml")
    assert "TASK [Make sure that nobody else works on the cluster]" in run.output
    assert "Nobody is kept from changing the cluster meanwhile: one can't be reached" in " ".join(
        run.output.split()
    )
    assert "cluster.nodes.one.ip in cluster_config.yaml" in run.output
