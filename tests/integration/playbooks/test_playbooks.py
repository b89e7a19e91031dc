"""What the playbooks do before there is a cluster: they parse, and say in one message what is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play, ansible_playbook

PLAYBOOKS = [
    "site.yml",
    "teardown.yml",
    *(str(p.relative_to(CHECKOUT)) for p in CHECKOUT.glob("playbooks/*.yml")),
]


@pytest.mark.parametrize("playbook", sorted(PLAYBOOKS))
def test_a_playbook_parses(playbook: str) -> None:
    run = ansible_playbook("-i", "inventory/lab", "--syntax-check", playbook)
    assert run.code == 0, run.output
    assert "WARNING" not in run.output


def test_machines_that_are_away_are_named_together_with_what_to_do(play: Play) -> None:
    run = play("site.yml")
    assert run.code == 2
    assert "Traceback" not in run.output
    for name in ("one", "two", "three"):
        assert f"cluster.nodes.{name}.ip in cluster_config.yaml" in run.output
    assert run.output.count("can't be reached (") >= 3
    assert len(re.findall(r"^\s+(one|two|three) .* does not answer$", run.output, re.MULTILINE)) == 3
    assert "TASK [k3s" not in run.output


@pytest.mark.parametrize("part", ["k3s", "nvidia"])
def test_a_part_that_needs_what_preflight_sees_does_nothing_without_it(play: Play, part: str) -> None:
    run = play(f"playbooks/{part}.yml")
    assert run.code == 2
    assert "Nothing was done. What " in run.output
    assert f"run: ansible-playbook site.yml --tags {part}" in " ".join(run.output.split())
    assert f"TASK [{part} :" not in run.output
    assert "TASK [common :" not in run.output


def test_programs_get_the_report_also_when_something_is_in_the_way(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert play("playbooks/preflight.yml", "-e", f"report_file={file}").code == 2
    report = json.loads(file.read_text())
    assert {machine["state"] for machine in report["machines"]} == {"does not answer"}
    assert {problem["where"] for problem in report["problems"]} >= {"one", "two", "three"}


@pytest.mark.parametrize(
    ("limit", "missing", "remedy"),
    [
        ("two", "one and localhost", "--limit two,one,localhost"),
        ("two,localhost", "one", "--limit two,localhost,one"),
        ("server", "localhost", "--limit server,localhost"),
    ],
)
def test_a_limited_run_says_what_else_it_needs(play: Play, limit: str, missing: str, remedy: str) -> None:
    run = play("site.yml", "--limit", limit, "--tags", "k3s")
    assert run.code == 2
    assert f"Nothing was done. Every run needs {missing} too" in " ".join(run.output.split())
    assert remedy in run.output
    assert "TASK [k3s" not in run.output


def test_a_limited_run_looks_at_its_own_machines_first(play: Play) -> None:
    run = play("site.yml", "--limit", "one,two,localhost")
    assert run.code == 2
    assert "cluster.nodes.two.ip in cluster_config.yaml" in run.output
    assert "cluster.nodes.three.ip" not in run.output
    assert "TASK [k3s" not in run.output


@pytest.mark.parametrize("arguments", [(), ("--tags", "workers"), ("--check",)])
def test_a_token_is_asked_for_when_a_model_needs_it(play: Play, arguments: tuple[str, ...]) -> None:
    run = play("site.yml", "-e", "run_config=run_configs/glass_door.yaml", *arguments)
    assert run.code == 2
    assert "google/siglip2-base-patch16-224 (filter)" in run.output
    assert "write HF_TOKEN=… into .env" in run.output


def test_a_token_is_not_asked_for_when_there_is_one_or_none_is_needed(play: Play, tmp_path: Path) -> None:
    with_token = play("site.yml", "-e", "run_config=run_configs/glass_door.yaml", HF_TOKEN="hf_x")  # noqa: S106 - none
    assert "into .env" not in with_token.output
    assert "hf_x" not in with_token.output
    without_models = tmp_path / "frames.yaml"
    without_models.write_text("project: frames\nstages: [search, download, extract]\n")
    without_token = play("site.yml", "-e", f"run_config={without_models}")
    assert "can't be reached" in without_token.output
    assert "into .env" not in without_token.output


def test_the_application_alone_says_that_there_is_no_cluster(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    look = tmp_path / "look.yml"
    look.write_text(
        "- hosts: localhost\n  gather_facts: false\n  roles: [{role: app}]\n"
        f"  vars: {{app_kubeconfig: {kubeconfig}, app_namespace: x, app_instance: y}}\n"
    )
    run = ansible_playbook("-i", "inventory/lab", str(look))
    assert run.code == 2
    assert (
        f"There is no cluster yet ({kubeconfig} does not exist); run: ansible-playbook site.yml" in run.output
    )


def test_a_dead_api_server_is_named_with_where_to_look(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],"
        " clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}],"
        " users: [{name: a, user: {token: x}}]}"
    )
    look = tmp_path / "look.yml"
    look.write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
        f"    - debug: {{msg: \"{{{{ lookup('kube_problem', '{kubeconfig}') }}}}\"}}\n"
    )
    run = ansible_playbook("-i", "inventory/lab", str(look))
    assert run.code == 0
    assert "https://127.0.0.1:1 does not answer" in run.output
    assert "systemctl status k3s" in run.output
