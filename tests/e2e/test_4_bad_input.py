"""Bad input: one message that names the thing and the remedy, and nothing half done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, Run

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


def test_an_unreachable_machine_is_named(lab: Lab, edited: Edited) -> None:
    last = list(lab.nodes().values())[-1]
    missing = last.rsplit(".", 1)[0] + ".99"
    refused(edited(lambda text: text.replace(last, missing)), missing)


def test_a_run_config_that_does_not_exist_is_named(lab: Lab) -> None:
    refused(lab.play("site.yml", "-e", "run_config=run_configs/nowhere.yaml"), "run_configs/nowhere.yaml")


def test_a_run_config_with_an_empty_string_is_refused_with_its_line(lab: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("project: demo\ndownload:\n  blocked_hashtag_patterns: ''\n")
    refused(lab.play("site.yml", "-e", f"run_config={wrong}"), "wrong.yaml:3", "blocked_hashtag_patterns")
