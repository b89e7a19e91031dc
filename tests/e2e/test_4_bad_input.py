"""Bad input: one message that names the thing and the remedy, and nothing half done."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, Run, wait_for

Edited = Callable[[Callable[[str], str]], Run]


@pytest.fixture
def edited(lab: Lab, tmp_path: Path) -> Edited:
    """Run site.yml on a copy of the lab's inventory whose file went through `edit`."""

    def run(edit: Callable[[str], str]) -> Run:
        inventory = tmp_path / lab.name
        shutil.copytree(lab.inventory, inventory)
        file = inventory / "cluster_config.yaml"
        file.write_text(edit(file.read_text()))
        return lab.run("ansible-playbook", "-i", str(inventory), "site.yml")

    return run


def refused(run: Run, *words: str) -> None:
    assert run.code != 0
    assert "Traceback" not in run.output
    assert set(run.changed.values()) <= {0}
    for word in words:
        assert word in run.output, f"{word!r} is not in the output"


def test_a_misspelt_key_is_named_with_its_line(edited: Edited) -> None:
    refused(
        edited(lambda text: text.replace("k3s_version:", "k3s_versoin:")),
        "cluster_config.yaml:",
        "k3s_version",
    )


def test_a_machine_that_can_not_be_reached_is_left_out_and_named(lab: Lab, edited: Edited) -> None:
    name, last = list(lab.nodes().items())[-1]
    missing = last.rsplit(".", 1)[0] + ".99"
    run = edited(lambda text: text.replace(last, missing))
    assert run.code != 0
    assert "Traceback" not in run.output
    said = " ".join(run.output.split())
    assert f"{missing}:22 can't be reached" in said
    assert "1 of 3 machines could not be reached and were left out; the others are as the file says" in said
    assert run.changed[name] == 0
    lab.play("site.yml").ok()  # the others let in the address that they know


def test_a_run_config_that_does_not_exist_is_named(lab: Lab) -> None:
    refused(lab.play("site.yml", "-e", "run_config=run_configs/nowhere.yaml"), "run_configs/nowhere.yaml")


def test_a_run_config_with_an_empty_string_is_refused_with_its_line(lab: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("project: demo\ndownload:\n  blocked_hashtag_patterns: ''\n")
    refused(lab.play("site.yml", "-e", f"run_config={wrong}"), "wrong.yaml:3", "blocked_hashtag_patterns")


@pytest.fixture
def spoilt(lab: Lab) -> Iterator[str]:
    """A machine that says it runs an old system and on which another program has the kubelet's port."""
    node = list(lab.nodes())[-1]
    spoil = (
        "systemctl stop k3s-agent && systemd-run --quiet --unit=squatter python3 -m http.server 10250 && "
        "sed s/12/9/g /etc/os-release > /run/os-release && mount --bind /run/os-release /etc/os-release"
    )
    try:
        assert lab.ssh(node, spoil).returncode == 0
        wait_for("the port is taken", lambda: ":10250 " in lab.ssh(node, "ss -Hltn").stdout, timeout_s=20)
        yield node
    finally:
        mend = "umount /etc/os-release; systemctl stop squatter; systemctl start k3s-agent"
        assert lab.ssh(node, mend).returncode == 0


def test_everything_in_the_way_on_the_machines_is_told_at_once(edited: Edited, spoilt: str) -> None:
    refused(
        edited(lambda text: text.replace("disk_limit_mb: 2048", "disk_limit_mb: 11900")),
        *(spoilt, "runs Debian GNU/Linux 9", "port 10250 is taken by python3", "disk_limit_mb: 11900"),
    )
