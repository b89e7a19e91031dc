"""What a restore and a backup refuse before they touch anything."""

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


RESTING = """
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec={name: {} for name in ("state", "kubeconfig", "namespace")})
assert module.params["state"] == "looked"
module.exit_json(changed=False, workers=["Deployment data-miner/extract-worker"])
"""


def test_no_backup_is_made_while_a_restore_goes_on(play: Play, tmp_path: Path) -> None:
    (tmp_path / "kube_problem.py").write_text(NO_PROBLEM)
    (tmp_path / "workers_paused.py").write_text(RESTING)
    (tmp_path / "actions").mkdir()
    for action in (CHECKOUT / "action_plugins").glob("*.py"):
        if action.name != "workers_paused.py":
            (tmp_path / "actions" / action.name).symlink_to(action)
    run = play(
        *("playbooks/backup.yml", "-e", f"backup_dir={tmp_path / 'backups'}"),
        ANSIBLE_ACTION_PLUGINS=str(tmp_path / "actions"),
        ANSIBLE_LIBRARY=f"{tmp_path}:{CHECKOUT / 'library'}",
        ANSIBLE_LOOKUP_PLUGINS=f"{tmp_path}:{CHECKOUT / 'lookup_plugins'}",
    )
    assert run.code == 2
    assert "Nothing was saved: a restore goes on" in " ".join(run.output.split())
    assert not (tmp_path / "backups").exists()
