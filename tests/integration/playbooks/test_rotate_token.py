"""Another token: what would be refused later is refused before, and failures are told without the token."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import ansible_playbook

PLAYS = yaml.safe_load((CHECKOUT / "playbooks/rotate_token.yml").read_text("utf-8"))
(FIRST,) = (play for play in PLAYS if play["name"] == "The first server")
TOKEN = f"K10{'0a' * 32}::server:hunter2"


def test_what_comes_from_outside_is_known_before_the_token_is_another() -> None:
    imported = [play.get("ansible.builtin.import_playbook") for play in PLAYS]
    assert imported.index("artifacts_find.yml") < PLAYS.index(FIRST) < imported.index("k3s.yml")


@pytest.mark.parametrize(("code", "refused"), [(0, False), (1, True)])
def test_k3s_own_words_are_shown_but_no_token(tmp_path: Path, *, code: int, refused: bool) -> None:
    make, look = FIRST["tasks"][-2:]
    assert make["no_log"]
    said = {"rc": code, "stderr": f"Error: {TOKEN} does not match", "stdout": ""}
    path = tmp_path / "play.yml"
    play = {"hosts": "localhost", "gather_facts": False, "vars": {make["register"]: said}, "tasks": [look]}
    path.write_text(yaml.safe_dump([play]))
    run = ansible_playbook("-i", "inventory/lab", str(path))
    assert (run.code != 0) == refused
    assert ("The token is as it was" in run.output) == refused
    assert ("Error: K10… does not match" in run.output) == refused
    assert "hunter2" not in run.output
