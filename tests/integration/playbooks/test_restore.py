"""What a restore refuses before it touches anything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from miner_cluster.backup import sets
from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play
from tests.integration.playbooks.test_tags import NO_PROBLEM


def test_a_part_that_is_asked_for_and_not_in_the_backup_is_named(play: Play, tmp_path: Path) -> None:
    (tmp_path / "kube_problem.py").write_text(NO_PROBLEM)
    begun = sets.begin(tmp_path / "backups", now=datetime(2026, 3, 1, tzinfo=UTC))
    (begun / "filer").mkdir()
    (begun / "filer" / "meta").write_text("names")
    backup = sets.finish(begun, cluster="test", parts={"filer": {"files": 1}})
    run = play(
        *("playbooks/restore.yml", "--tags", "postgres", "-e", f"backup={backup}"),
        ANSIBLE_LOOKUP_PLUGINS=f"{tmp_path}:{CHECKOUT / 'lookup_plugins'}",
    )
    assert run.code == 2
    assert f"{backup} has no postgres; it has: filer" in " ".join(run.output.split())
    assert "TASK [backup : Let the workers end]" not in run.output
