"""The inventory plugin as ansible-playbook uses it: its variables, and its exit code on bad input."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.inventory.conftest import Play
from tests.unit.cluster.conftest import GOOD

HANDOFF = CHECKOUT / "tests" / "fixtures" / "handoff_cluster_config.yaml"


def test_localhost_sees_the_cluster_and_is_none_of_its_nodes(play: Play) -> None:
    run = play()
    assert run.code == 0, run.output
    assert "cluster=test" in run.output
    assert "lab=False" in run.output
    for node in ("node=one server test", "node=two agent test", "node=three agent test"):
        assert node in run.output
    assert run.output.count("msg: node=") == 3


def test_a_run_config_given_on_the_command_line_wins(play: Play) -> None:
    assert f"run={CHECKOUT}/run_configs/demo.yaml" in play().output
    run = play("-e", "run_config=run_configs/glass_door.yaml")
    assert f"run={CHECKOUT}/run_configs/glass_door.yaml" in run.output


def test_the_file_of_the_earlier_system_is_an_inventory(play: Play) -> None:
    run = play(on=HANDOFF)
    assert run.code == 0, run.output
    assert "node=pavanjci server" in run.output
    assert "chrislusf/seaweedfs:latest names no version" in " ".join(run.output.split())


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("k3s_version", "k3s_versoin"), 4, "cluster.k3s_versoin: unknown key; did you mean k3s_version?"),
        (("192.0.2.2", "192.0.2.1"), 7, "192.0.2.1 is the address of one too"),
        (("nodes:", "nodes: ["), 7, "not valid YAML"),
        (("role: master", "role: worker"), 5, "no node has role master"),
        (("${storage.seaweedfs_mount}", "${nothing}"), 34, "${nothing} is not in this file"),
    ],
)
def test_a_broken_file_ends_ansible_with_one_message(
    play: Play, inventory: Path, change: tuple[str, str], line: int, words: str
) -> None:
    file = inventory / "cluster_config.yaml"
    file.write_text(GOOD.replace(*change, 1))
    run = play()
    assert run.code == 4
    assert run.output.count("[ERROR]") == 1
    assert f"{file}:{line}" in run.output
    assert words in run.output
    assert "Traceback" not in run.output
    assert "PLAY" not in run.output


def test_every_problem_is_in_the_one_message(play: Play, inventory: Path) -> None:
    text = GOOD.replace("192.0.2.2", "x").replace("/data/seaweed", "data").replace("250m-1000m", "1-0")
    (inventory / "cluster_config.yaml").write_text(text)
    run = play()
    assert run.code == 4
    assert "This file has 3 problems, nothing was done" in run.output


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"- a\n", b"\tx: 1\n"])
def test_a_file_that_is_no_configuration_ends_ansible(play: Play, inventory: Path, data: bytes) -> None:
    (inventory / "cluster_config.yaml").write_bytes(data)
    run = play()
    assert run.code == 4
    assert "cluster_config.yaml" in run.output
    assert "Traceback" not in run.output


def test_an_inventory_that_is_not_there_is_named(play: Play, tmp_path: Path) -> None:
    run = play(on=tmp_path / "nowhere")
    assert run.code == 4
    assert f"{tmp_path}/nowhere: no such file" in run.output


def test_other_files_beside_it_are_none_of_the_inventory(play: Play, inventory: Path) -> None:
    (inventory / "run.yaml").write_text("project: p\n")
    run = play()
    assert run.code == 0, run.output
    assert "cluster=test" in run.output


def test_two_clusters_in_one_run_are_refused(play: Play, inventory: Path) -> None:
    run = play("-i", str(HANDOFF))
    assert run.code == 4
    assert "One cluster at a time" in run.output
    assert f"{inventory}/cluster_config.yaml" in run.output


def test_a_directory_without_the_file_ends_ansible(play: Play, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert play(on=tmp_path / "empty").code != 0
