"""Which playbooks let nobody else change the cluster meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play

#: change nothing of a cluster
LOOKING = {"support", "preflight", "status", "verify", "credentials", "render", "lab", "backup_schedule"}
#: only ever parts of others, which have the lock by then, or change nothing
PARTS = {"lock", "artifacts", "artifacts_find", "as_wanted", "kept_secrets", "left_out", "nvidia_report"}
PARTS |= {"image_ids", "image_everywhere", "image_done"}
CHANGING = sorted(
    str(path.relative_to(CHECKOUT))
    for path in [*CHECKOUT.glob("*.yml"), *CHECKOUT.glob("playbooks/*.yml")]
    if path.stem not in LOOKING | PARTS | {"requirements"}
)


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


def test_a_run_asks_for_the_lock_once_whichever_of_its_parts_need_it(play: Play, tmp_path: Path) -> None:
    book = tmp_path / "parts.yml"
    lock = {"name": "Lock", "ansible.builtin.import_playbook": str(CHECKOUT / "playbooks/lock.yml")}
    book.write_text(yaml.safe_dump([lock, lock]))
    run = play(str(book))
    assert run.code == 0, run.output
    assert run.output.count("TASK [Make sure that nobody else works on the cluster]") == 1
    assert run.output.count("Nobody is kept from changing the cluster meanwhile") == 1
