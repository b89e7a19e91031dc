"""The daily backup in the controller's crontab: there where it is configured, gone where it is not."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play, Run, ansible_playbook

#: `crontab` with a file of the test's own instead of the user's table
CRONTAB = """\
#!/bin/sh
case $1 in
-l) cat "$TABLE" 2>/dev/null || { echo "no crontab for test" >&2; exit 1; } ;;
-r) rm -f "$TABLE" ;;
*) cat "$1" >"$TABLE" ;;
esac
"""
THEIRS = "0 1 * * * theirs\n"


class Schedule:
    """The playbook with such a `crontab`."""

    def __init__(self, play: Play, inventory: Path, directory: Path) -> None:
        self.play, self.file, self.table = play, inventory / "cluster_config.yaml", directory / "table"
        self.inventory, self.bin = inventory, directory / "bin"
        self.bin.mkdir()
        (self.bin / "crontab").write_text(CRONTAB)
        (self.bin / "crontab").chmod(0o755)

    def daily_at(self, when: str | None) -> None:
        """Configure it."""
        text = self.file.read_text().partition("backup:")[0]
        self.file.write_text(text + (f'backup: {{daily_at: "{when}"}}\n' if when else ""))

    def run(self, *arguments: str, playbook: str = "playbooks/backup_schedule.yml") -> Run:
        """Run the playbook."""
        run = self.play(
            playbook,
            *arguments,
            PATH=f"{self.bin}:{os.environ['PATH']}",
            TABLE=str(self.table),
        )
        assert run.code == 0 or playbook == "teardown.yml", run.output
        return run


@pytest.fixture
def absent(absent: Path) -> Path:
    """The same, in a directory that a careless line would cut in two."""
    return absent.rename(absent.with_name("some machines"))


@pytest.fixture
def schedule(play: Play, absent: Path, tmp_path: Path) -> Schedule:
    return Schedule(play, absent, tmp_path)


def test_the_daily_backup_comes_moves_and_goes_with_its_key(schedule: Schedule) -> None:
    schedule.table.write_text(THEIRS)
    schedule.daily_at("03:07")
    assert "changed=1" in schedule.run("--check").output
    assert schedule.table.read_text() == THEIRS
    assert "changed=1" in schedule.run().output
    inventory = shlex.quote(str(schedule.inventory))
    line = (
        f"ANSIBLE_DISPLAY_FAILED_STDERR=true make -C {CHECKOUT} backup INVENTORY={inventory} "
        "ARGS='-e lock_wait_s=3600' >/dev/null"
    )
    ours = f"#Ansible: data-miner: backup of {schedule.inventory}"
    assert schedule.table.read_text() == f"{THEIRS}{ours}\n7 3 * * * {line}\n"
    assert "changed=0" in schedule.run().output
    schedule.daily_at("23:59")
    assert "changed=1" in schedule.run().output
    assert schedule.table.read_text() == f"{THEIRS}{ours}\n59 23 * * * {line}\n"
    schedule.daily_at(None)
    assert "changed=1" in schedule.run().output
    assert schedule.table.read_text() == THEIRS


def test_what_cron_mails_says_why_there_is_no_backup(schedule: Schedule) -> None:
    schedule.daily_at("03:07")
    schedule.run()
    command = schedule.table.read_text().splitlines()[-1].split(maxsplit=5)[-1]
    few = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    done = subprocess.run(["sh", "-c", command], env=few, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Nothing was done" in done.stderr


def test_no_backup_is_due_of_a_cluster_that_was_taken_down(schedule: Schedule) -> None:
    schedule.table.write_text(THEIRS)
    schedule.daily_at("03:07")
    schedule.run()
    before = schedule.table.read_text()
    for some in (("--limit", "two"), ("--check",)):
        schedule.run(*some, playbook="teardown.yml")
        assert schedule.table.read_text() == before
    schedule.run(playbook="teardown.yml")
    assert schedule.table.read_text() == THEIRS


def test_another_cluster_of_the_same_name_keeps_its_line(schedule: Schedule, tmp_path: Path) -> None:
    schedule.daily_at("03:07")
    schedule.run()
    ours = schedule.table.read_text()
    other = tmp_path / "another checkout" / schedule.inventory.name
    shutil.copytree(schedule.inventory, other)
    book = ("-i", str(other), "playbooks/backup_schedule.yml")
    where = {"PATH": f"{schedule.bin}:{os.environ['PATH']}", "TABLE": str(schedule.table)}
    assert ansible_playbook(*book, **where).code == 0
    assert schedule.table.read_text().startswith(ours)
    assert schedule.table.read_text().count("make -C") == 2
    assert ansible_playbook(*book, "-e", "backups_end=true", **where).code == 0
    assert schedule.table.read_text() == ours


def test_a_controller_without_cron_needs_none_for_no_backups(schedule: Schedule) -> None:
    (schedule.bin / "crontab").write_text("#!/bin/sh\nexit 127\n")
    assert "changed=0" in schedule.run().output


def test_a_controller_without_cron_is_told_what_to_install(schedule: Schedule) -> None:
    schedule.daily_at("03:07")
    (schedule.bin / "crontab").unlink()
    run = schedule.play("playbooks/backup_schedule.yml", PATH=str(schedule.bin))
    assert run.code == 2
    assert "backup.daily_at" in run.output
    assert "apt-get install cron" in run.output
