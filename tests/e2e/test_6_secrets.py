"""Passwords are shown to whoever asks and to nobody else, and can be changed while everything runs."""

from __future__ import annotations

import base64

from tests.e2e.lab import Busy, Lab, left, wait_for
from tests.e2e.secret_values import shown, values
from tests.e2e.test_2_faults import all_ready


def password(lab: Lab) -> str:
    secret = lab.get("secret", "-n", "data-miner", "postgres")
    return base64.b64decode(secret["data"]["password"]).decode()


def test_only_the_playbook_for_it_shows_secrets_at_any_verbosity(lab: Lab) -> None:
    assert password(lab) in lab.play("playbooks/credentials.yml").ok().output
    assert shown(lab.play("site.yml", "-vvv", "--diff").ok().output, values(lab)) == set()


def test_new_passwords_are_taken_into_use_while_work_goes_on(lab: Lab, busy: Busy) -> None:
    project, chosen = busy
    old, before = password(lab), values(lab)
    wait_for("there is work", lambda: left(lab, project))
    rotation = lab.play(
        "playbooks/rotate_secrets.yml", "-vvv", "--diff", "--skip-tags", "seaweedfs", *chosen
    ).ok()
    assert password(lab) != old
    assert shown(rotation.output, before | values(lab)) == set()
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
    wait_for("all work is done", lambda: not left(lab, project), timeout_s=600)
    stages = lab.status()["projects"][project]["stages"]
    # Detection has nothing to do for a video of which no frame is kept.
    done = {stage: stages[stage]["done"] for stage in ("download", "extract", "filter", "dedup")}
    assert len(set(done.values())) == 1, done
    assert stages["detect"]["done"]
    assert set(lab.play("site.yml", *chosen).ok().changed.values()) == {0}


def test_the_queries_of_a_real_project_are_answered_by_the_labs_site(lab: Lab) -> None:
    chosen = ("-e", "run_config=run_configs/glass_door.yaml")
    lab.play("site.yml", "--tags", "app", *chosen).ok()
    try:
        wait_for(
            "its searches are done",
            lambda: lab.status()["projects"]["glass_door"]["stages"]["search"]["done"] == 9,
        )
        wait_for("all work is done", lambda: not left(lab, "glass_door"), timeout_s=300)
        assert lab.status()["projects"]["glass_door"]["stages"]["filter"]["done"]
    finally:
        lab.play("site.yml", "--tags", "app").ok()


def test_k3s_gets_new_certificates_while_work_goes_on(lab: Lab, busy: Busy) -> None:
    project, _ = busy
    wait_for("there is work", lambda: left(lab, project))
    kubeconfig, before = (lab.state / "kubeconfig").read_text(), certificates(lab)
    pods = {pod["metadata"]["uid"] for pod in lab.get("pods", "-A")["items"]}
    lab.play("playbooks/certificates.yml").ok()
    after = certificates(lab)
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert (lab.state / "kubeconfig").read_text() != kubeconfig
    wait_for("every pod is ready", lambda: all_ready(lab))
    assert pods <= {pod["metadata"]["uid"] for pod in lab.get("pods", "-A")["items"]}
    report = lab.make("status")
    assert "certificates of k3s: valid until " in report.ok().output


def certificates(lab: Lab) -> dict[str, str]:
    """Return a hash of each certificate of each machine, authorities left out."""
    find = "find /var/lib/rancher/k3s/{server/tls,agent} -maxdepth 2 -name '*.crt' ! -name '*-ca.crt'"
    return {
        f"{node} {path}": digest
        for node in lab.nodes()
        for digest, path in (
            line.split() for line in lab.ssh(node, f"{find} -exec sha256sum {{}} +").stdout.splitlines()
        )
    }
