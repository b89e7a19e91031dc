"""What once kept the cluster from working can't come back: each has a test, here or where it belongs.

An empty string that became the path ``.`` is refused in tests/e2e/test_4_bad_input.py, an empty URL of a data
source in test_infrastructure.py beside this file.
"""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.unit.cluster.conftest import Load, Render

HANDOFF = CHECKOUT / "tests" / "fixtures" / "handoff_cluster_config.yaml"


@pytest.fixture
def objects(render: Render, load: Load) -> dict[str, Any]:
    """What the configuration from which all began renders to, by the path of the file."""
    return {item["path"]: item["object"] for item in render(load(HANDOFF.read_text()))}


def probes(workload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the probes of a workload's containers."""
    return [
        probe
        for container in workload["spec"]["template"]["spec"]["containers"]
        for kind, probe in container.items()
        if kind.endswith("Probe")
    ]


def test_no_probe_of_a_worker_looks_for_a_file_that_nobody_makes(objects: dict[str, Any]) -> None:
    workers = [
        obj for path, obj in objects.items() if path.startswith("workers/") and "template" in obj["spec"]
    ]
    assert workers
    for worker in workers:
        assert probes(worker)
        assert all(set(probe) & {"httpGet", "exec"} == {"httpGet"} for probe in probes(worker))


def test_pods_share_a_gpu_instead_of_asking_for_one_each(objects: dict[str, Any]) -> None:
    assert "nvidia.com/gpu" not in json.dumps(objects)
    for stage, devices in {"filter": ["all"], "dedup": ["all"], "detect": ["all"], "extract": []}.items():
        (container,) = objects[f"workers/{stage}-deployment.yaml"]["spec"]["template"]["spec"]["containers"]
        seen = [
            variable["value"] for variable in container["env"] if variable["name"] == "NVIDIA_VISIBLE_DEVICES"
        ]
        assert seen == devices


def test_siglip_is_loaded_by_its_own_classes_and_not_by_one_that_guesses_them() -> None:
    tree = ast.parse((CHECKOUT / "data_miner" / "models" / "siglip.py").read_text())
    names = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {"SiglipImageProcessorPil", "GemmaTokenizerFast", "SiglipTokenizer"} <= names
    assert "AutoProcessor" not in names


def test_containerds_file_is_left_to_k3s_with_its_paths_of_the_cni() -> None:
    texts = [path.read_text() for path in (CHECKOUT / "roles").rglob("*") if path.is_file()]
    names = ("containerd/config", "config.toml.tmpl", "config-v3.toml")
    assert not [text for text in texts if any(name in text for name in names)]
