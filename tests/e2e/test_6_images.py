"""Another image on the lab, and back: playbooks/image.yml, with pods that follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import ROOT, Lab

NAMESPACE = "data-miner"
DEPLOYED = "/var/lib/rancher/k3s/data-miner/deployed.json"


@pytest.fixture
def another_source() -> Iterator[Path]:
    """A file that changes what the sources make, for as long as the test lasts."""
    path = ROOT / "data_miner" / "another_image.py"
    path.write_text('"""Of a test."""\n')
    yield path
    path.unlink(missing_ok=True)


def running(lab: Lab) -> set[str]:
    """Return the IDs of the images of the workers without models."""
    pods: list[dict[str, Any]] = lab.get("-n", NAMESPACE, "pods", "-l", "app=download-worker")["items"]
    return {pod["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2] for pod in pods}


def listening(lab: Lab, node: str) -> str:
    return lab.ssh(node, "ss -ltnpH | grep python3 || true").stdout


def test_another_image_is_deployed_and_taken_back(lab: Lab, another_source: Path) -> None:
    (first,) = running(lab)
    before = {node: listening(lab, node) for node in lab.nodes()}
    lab.play("playbooks/image.yml", "-e", "image_tag=another").ok()
    (second,) = running(lab)
    assert second != first
    assert {node: listening(lab, node) for node in lab.nodes()} == before

    another_source.unlink()
    back = lab.play("playbooks/image.yml", "-e", "image_tag=previous").ok()
    assert "until the next site.yml" in back.output
    assert running(lab) == {first}
    for node in lab.nodes():
        past = json.loads(lab.ssh(node, f"cat {DEPLOYED}").stdout)
        assert [entry["tag"] for entry in past[-2:]] == ["another", "lab"]
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def test_a_deployment_that_never_was_is_refused(lab: Lab) -> None:
    run = lab.play("playbooks/image.yml", "-e", "image_tag=id-0123456789ab")
    assert run.code != 0
    assert "no deployment id-0123456789ab; known are" in run.output
