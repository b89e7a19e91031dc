"""What a teardown does, and leaves alone, where the cluster's API can't be reached."""

from __future__ import annotations

import pytest

from tests.integration.playbooks.conftest import Play

TASKS_ON_MACHINES = ("TASK [Stop Kubernetes", "TASK [seaweedfs : ", "TASK [k3s : ")


def test_the_objects_alone_are_not_removed_without_a_kubeconfig(play: Play) -> None:
    run = play("teardown.yml", "--tags", "deploy", "-e", "wipe_data=true")
    assert run.code == 2
    assert "kubeconfig does not exist" in run.output
    assert "ansible-playbook site.yml --tags k3s" in run.output
    assert "NOTHING IS WIPED" in run.output
    assert not [task for task in TASKS_ON_MACHINES if task in run.output]


@pytest.mark.parametrize("arguments", [("--skip-tags", "provision"), ("--tags", "deploy")])
def test_kubernetes_is_stopped_only_by_a_run_that_uninstalls_it(
    play: Play, arguments: tuple[str, ...]
) -> None:
    assert "TASK [Stop Kubernetes" not in play("teardown.yml", *arguments).output


@pytest.mark.parametrize("arguments", [(), ("--tags", "deploy,provision"), ("--tags", "deploy,k3s")])
def test_a_full_teardown_goes_on_without_the_api(play: Play, arguments: tuple[str, ...]) -> None:
    run = play("teardown.yml", *arguments)
    assert "Nobody answers for the cluster" in run.output
    assert "TASK [Stop Kubernetes" in run.output
    assert "NOTHING IS WIPED" not in run.output
