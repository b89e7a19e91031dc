"""Another image on the lab, and back: playbooks/image.yml, with pods that follow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import ROOT, Lab

NAMESPACE = "data-miner"
DEPLOYED = "/var/lib/rancher/k3s/data-miner/deployed.json"


@pytest.fixture
def another_model(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """The lab's configuration with one model more, until the end; the code stays, as other tests use it."""
    config = lab.inventory / "cluster_config.yaml"
    usual = config.read_text()
    shutil.copytree(ROOT / "lab/models", tmp_path / "models")
    (tmp_path / "models/another").mkdir()
    (tmp_path / "models/another/config.json").write_text("{}")
    config.write_text(usual.replace("models: lab/models", f"models: {tmp_path / 'models'}"))
    yield config
    config.write_text(usual)


def running(lab: Lab) -> set[str]:
    """Return the IDs of the images of the workers with models."""
    pods: list[dict[str, Any]] = lab.get("-n", NAMESPACE, "pods", "-l", "app=filter-worker")["items"]
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {pod["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2] for pod in staying}


def listening(lab: Lab, node: str) -> str:
    return lab.ssh(node, "ss -ltnpH | grep python3 || true").stdout


def test_another_image_is_deployed_and_taken_back(lab: Lab, another_model: Path) -> None:
    (first,) = running(lab)
    before = {node: listening(lab, node) for node in lab.nodes()}
    lab.play("playbooks/image.yml", "-e", "image_name=another").ok()
    (second,) = running(lab)
    assert second != first
    assert {node: listening(lab, node) for node in lab.nodes()} == before

    back = lab.play("playbooks/image.yml", "-e", "image_tag=previous").ok()
    assert "until the next site.yml" in " ".join(back.output.split())
    assert running(lab) == {first}
    for node in lab.nodes():
        past = json.loads(lab.ssh(node, f"cat {DEPLOYED}").stdout)
        assert [entry["tag"] for entry in past[-2:]] == ["another", "lab"]
        assert "under_way" not in past[-1]


def test_a_deployment_that_never_was_is_refused(lab: Lab) -> None:
    run = lab.play("playbooks/image.yml", "-e", "image_tag=id-0123456789ab")
    assert run.code != 0
    assert "no deployment id-0123456789ab; known are" in run.output
