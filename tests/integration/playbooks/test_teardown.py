"""What a teardown does, and leaves alone, where the cluster's API can't be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.playbooks.conftest import Play, at_a_terminal

TASKS_ON_MACHINES = ("TASK [Stop Kubernetes", "TASK [seaweedfs : ", "TASK [k3s : ")


def test_the_objects_alone_are_not_removed_without_a_kubeconfig(play: Play) -> None:
    run = play("teardown.yml", "--tags", "deploy", "-e", "wipe_data=true")
    assert run.code == 2
    assert "kubeconfig does not exist" in run.output
    assert "ansible-playbook site.yml --tags k3s" in run.output
    assert "NOTHING IS WIPED" in run.output
    assert not [task for task in TASKS_ON_MACHINES if task in run.output]


@pytest.mark.usefixtures("two_answers")
@pytest.mark.parametrize("arguments", [("--skip-tags", "provision"), ("--tags", "deploy")])
def test_kubernetes_is_stopped_only_by_a_run_that_uninstalls_it(
    play: Play, arguments: tuple[str, ...]
) -> None:
    assert "TASK [Stop Kubernetes" not in play("teardown.yml", *arguments).output


@pytest.mark.usefixtures("two_answers")
@pytest.mark.parametrize("arguments", [(), ("--tags", "deploy,provision"), ("--tags", "deploy,k3s")])
def test_a_full_teardown_goes_on_without_the_api(play: Play, arguments: tuple[str, ...]) -> None:
    run = play("teardown.yml", *arguments)
    assert "Nobody answers for the cluster" in run.output
    assert "TASK [Stop Kubernetes" in run.output
    assert "NOTHING IS WIPED" not in run.output


@pytest.mark.usefixtures("two_answers")
def test_a_person_types_the_clusters_name_before_data_is_wiped(absent: Path) -> None:
    wipe = ("-i", str(absent), "teardown.yml", "-e", "wipe_data=true")
    wrong = at_a_terminal("Type test to go on", "yes\n", *wipe)
    assert wrong.code == 2
    assert "The data of test will be WIPED on one, three, two." in wrong.output
    assert "Nothing was done: 'yes' is not test, the name of this cluster." in wrong.output
    assert not [task for task in TASKS_ON_MACHINES if task in wrong.output]
    right = at_a_terminal("Type test to go on", "test\n", *wipe)
    assert "TASK [Stop Kubernetes" in right.output


@pytest.mark.usefixtures("two_answers")
def test_a_name_given_beforehand_must_be_the_right_one(play: Play) -> None:
    wrong = play("teardown.yml", "-e", "wipe_data=true", "-e", "confirm=other")
    assert wrong.code == 2
    assert "'other' is not test" in wrong.output
    assert (
        "TASK [Stop Kubernetes" in play("teardown.yml", "-e", "wipe_data=true", "-e", "confirm=test").output
    )


@pytest.mark.parametrize("tags", ["deploy", "seaweedfs"])
def test_what_is_about_the_whole_cluster_is_not_done_on_one_machine(play: Play, tags: str) -> None:
    run = play("teardown.yml", "--limit", "two", "--tags", tags)
    assert run.code == 2
    assert f"--tags {tags} is about the whole cluster" in run.output
    assert not [task for task in TASKS_ON_MACHINES if task in run.output]


@pytest.mark.usefixtures("two_answers")
@pytest.mark.parametrize("limit", ["two", "two,localhost"])
def test_one_machine_is_taken_down_without_the_clusters_objects(play: Play, limit: str) -> None:
    run = play("teardown.yml", "--limit", limit)
    assert run.code != 0
    assert "TASK [Stop Kubernetes" in run.output
    assert "one: unreachable" not in run.output
    assert "Nobody answers for the cluster" not in run.output


def test_where_no_machine_answers_each_is_named_and_the_run_is_an_error(play: Play) -> None:
    run = play("teardown.yml")
    assert run.code == 2
    last = run.output.partition("TASK [Assert that every machine was reached]")[2]
    assert "Everything else was done. Left out: one: " in last
    assert "teardown.yml --limit one,two,three" in " ".join(last.split())
    assert "UNREACHABLE!" not in run.output


@pytest.mark.usefixtures("two_answers")
def test_machines_that_are_away_are_named_also_where_another_lets_nobody_in(play: Play) -> None:
    run = play("teardown.yml")
    assert "[two]: UNREACHABLE!" in run.output
    assert "teardown.yml --limit one,three" in " ".join(run.output.split())


@pytest.mark.usefixtures("two_answers")
def test_the_shared_storage_alone_is_unmounted_where_there_is_no_cluster_any_more(play: Play) -> None:
    run = play("teardown.yml", "--tags", "seaweedfs")
    assert "TASK [Find out whether something would mount it again" in run.output
    assert "TASK [k3s : " not in run.output
