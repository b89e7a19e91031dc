"""Passwords are shown to whoever asks and to nobody else, and can be changed while everything runs."""

from __future__ import annotations

import base64

from tests.e2e.lab import Lab, wait_for
from tests.e2e.test_2_faults import all_ready


def password(lab: Lab) -> str:
    secret = lab.get("secret", "-n", "data-miner", "postgres")
    return base64.b64decode(secret["data"]["password"]).decode()


def test_only_the_playbook_for_it_shows_the_passwords(lab: Lab) -> None:
    assert password(lab) in lab.play("playbooks/credentials.yml").ok().output
    assert password(lab) not in lab.play("site.yml", "-vvv", "--diff", "--tags", "deploy").ok().output


def test_new_passwords_are_taken_into_use_and_nothing_is_lost(lab: Lab) -> None:
    before, old = lab.status()["projects"]["demo"], password(lab)
    lab.play("playbooks/rotate_secrets.yml").ok()
    assert password(lab) != old
    wait_for("every pod is ready", lambda: all_ready(lab))
    # From another pod, for in the database's own every local user is let in.
    refused = lab.run(
        *(
            str(lab.state / "bin" / "kubectl"),
            "exec",
            "-n",
            "data-miner",
            "deploy/monitor-worker",
            "-c",
            "monitor",
        ),
        *("--", "env", f"PGPASSWORD={old}", "python", "-m", "data_miner.cli", "status"),
    )
    assert refused.code != 0
    assert "password authentication failed" in refused.output
    assert lab.status()["projects"]["demo"] == before
    assert set(lab.play("site.yml").ok().changed.values()) == {0}
