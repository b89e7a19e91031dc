"""No mistake in a configuration reaches a machine: ansible-playbook ends first, and says where it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.inventory import playbook_runs
from tests.integration.inventory.conftest import Run
from tests.unit.cluster.conftest import GOOD
from tests.unit.cluster.mistakes import MISTAKES, NO_CONFIGURATIONS, RUN_MISTAKES

#: what ansible-playbook returns when it can't read its input, and when a host failed
PARSER_ERROR, FAILED = 4, 2
NOBODY = "- {hosts: all, gather_facts: false, tasks: [{ansible.builtin.raw: 'true'}]}\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A configuration that is wrong, and what the message must have."""

    name: str
    cluster: bytes
    run: str | None
    place: str
    words: tuple[str, ...]


CASES = [
    *(
        Case(
            name=str(mistake),
            cluster=mistake.text.encode(),
            run=None,
            place=":".join(map(str, mistake.place)),
            words=(f": {mistake.key}: " if mistake.key else ": ", mistake.words),
        )
        for mistake in MISTAKES
    ),
    *(
        Case(name=name, cluster=data, run=None, place=str(line or ""), words=(words,))
        for name, data, line, words in NO_CONFIGURATIONS
    ),
    *(
        Case(
            name=str(mistake),
            cluster=GOOD.encode(),
            run=mistake.text,
            place=str(mistake.line or ""),
            words=(f"{mistake.key}: " if mistake.key else "", mistake.words),
        )
        for mistake in RUN_MISTAKES
    ),
]


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is there as soon as SSH was called."""
    return tmp_path_factory.mktemp("ssh") / "reached"


def play_all(runs: list[list[str]], reached: Path) -> list[Run]:
    """Run ansible-playbook with an SSH that only notes that it was called."""
    ssh = reached.parent / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {reached}\nexit 255\n")
    ssh.chmod(0o755)
    done = subprocess.run(
        [sys.executable, playbook_runs.__file__],
        input=json.dumps(runs),
        cwd=CHECKOUT,
        env={**os.environ, "HF_TOKEN": "", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_EXECUTABLE": str(ssh)},
        capture_output=True,
        text=True,
        check=True,
        timeout=1200,
    )
    return [Run(code=code, output=output) for code, output in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, reached: Path) -> dict[Case, Run]:
    """Run site.yml with every case."""
    arguments = []
    for case in CASES:
        directory = tmp_path_factory.mktemp("case")
        (directory / "cluster_config.yaml").write_bytes(case.cluster)
        one = ["-i", str(directory), "site.yml"]
        if case.run is not None:
            run_config = tmp_path_factory.mktemp("run") / "run.yaml"
            run_config.write_text(case.run, "utf-8")
            one += ["-e", f"run_config={run_config}"]
        arguments.append(one)
    return dict(zip(CASES, play_all(arguments, reached), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_ends_the_run_with_its_place_before_any_machine_is_reached(
    case: Case, runs: dict[Case, Run], reached: Path
) -> None:
    run = runs[case]
    assert run.code == (PARSER_ERROR if case.run is None else FAILED), run.output
    assert run.output.count("[ERROR]") == 1, run.output
    file = "cluster_config.yaml" if case.run is None else "run.yaml"
    flat = " ".join(run.output.split())
    if case.place:
        assert f"{file}:{case.place}" in flat, run.output
    for words in case.words:
        assert " ".join(words.split()) in flat, run.output
    assert "Traceback" not in run.output
    assert "Find out which machines answer" not in run.output
    assert not reached.exists()


def test_without_a_mistake_the_machines_would_have_been_reached(tmp_path: Path, reached: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "cluster_config.yaml").write_text(GOOD)
    (tmp_path / "play.yml").write_text(NOBODY)
    mine = tmp_path / "reached"
    (run,) = play_all([["-i", str(inventory), str(tmp_path / "play.yml")]], mine)
    assert mine.exists(), run.output


def test_there_are_as_many_cases_as_promised() -> None:
    assert len([case for case in CASES if case.place and len(case.words) > 1]) >= 60
