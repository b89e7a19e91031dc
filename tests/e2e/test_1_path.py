"""One command from bare machines to mined frames, and what the same command does afterwards."""

from __future__ import annotations

import json
import re
import sys

import pytest

from tests.e2e.lab import Lab, Run, wait_for

ASKED_OF_A_MACHINE = 3
PARTS = ["k3s", "nvidia", "storage", "labels", "docker", "seaweedfs", "config", "infrastructure", "workers"]


def test_one_command_ends_with_a_table_of_mined_videos(deployed: tuple[Lab, Run]) -> None:
    _, site = deployed
    shown = re.search(r"project demo: (\d+) videos \(.*\), (\d+) frames", site.output)
    assert shown
    assert min(int(shown[1]), int(shown[2])) > 0


def test_the_table_names_every_stand_in(deployed: tuple[Lab, Run]) -> None:
    lab, site = deployed
    config = str(lab.inventory / "cluster_config.yaml")
    artifacts = lab.run(sys.executable, "-m", "miner_cluster.artifacts", "ensure", "--config", config).ok()
    stand_ins = json.loads(artifacts.output[artifacts.output.index("{") :])["stand_ins"]
    assert [sentence for sentence in stand_ins if sentence not in site.output] == []


def test_every_frame_of_the_demo_project_is_on_the_shared_storage(lab: Lab) -> None:
    def finished() -> dict[str, int] | None:
        stages = lab.status()["projects"]["demo"]["stages"]
        busy = sum(stage["ready"] + stage["leased"] for stage in stages.values())
        return {name: stage["done"] for name, stage in stages.items()} if not busy else None

    done = wait_for("the demo project is mined", finished, timeout_s=300)
    assert done["download"] > 1
    assert done["extract"] > 1
    node = next(iter(lab.nodes()))
    frames = lab.ssh(node, "find /swdfs_mnt/swshared/data_miner_output -name '*.jpg' | wc -l").stdout
    assert int(frames) > 0
    assert int(frames) == lab.status()["projects"]["demo"]["frames"]


def test_workers_on_different_nodes_did_the_work(lab: Lab) -> None:
    pods = lab.get("pods", "-n", "data-miner", "-l", "app=download-worker")["items"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 3
    assert len(lab.status()["projects"]["demo"]["nodes"]) > 1


def test_the_second_run_changes_nothing(lab: Lab) -> None:
    second = lab.play("site.yml").ok()
    assert set(second.changed.values()) == {0}
    # Its time grows with what each machine is asked: the look, the images that were seen, the shared files.
    *_, agent = lab.nodes()
    assert second.asked[agent] <= ASKED_OF_A_MACHINE
    print(json.dumps({"converged_site_s": round(second.seconds, 1)}))


def test_check_mode_on_a_converged_cluster_shows_no_difference(lab: Lab) -> None:
    check = lab.play("site.yml", "--check", "--diff").ok()
    assert set(check.changed.values()) == {0}
    assert "\n+++ " not in check.output


def test_what_somebody_changed_on_a_machine_is_told_and_taken_back_there_alone(lab: Lab) -> None:
    *_, agent = lab.nodes()
    path = "/etc/systemd/journald.conf.d/data-miner.conf"
    before = lab.ssh(agent, f"cat {path}").stdout
    lab.ssh(agent, f"echo '# by hand' >> {path}")
    for mode in (["--check"], []):
        run = lab.play("site.yml", "--tags", "k3s", *mode).ok()
        assert {name for name, count in run.changed.items() if count} == {agent}, run.output
    assert lab.ssh(agent, f"cat {path}").stdout == before


@pytest.mark.parametrize("tag", PARTS)
def test_a_partial_run_on_a_converged_cluster_changes_nothing(lab: Lab, tag: str) -> None:
    assert set(lab.play("site.yml", "--tags", tag).ok().changed.values()) == {0}
