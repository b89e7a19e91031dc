"""Workers that were started without their machine's GPU are found and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miner_cluster.kube.gpu_workers import Worker, on_the_cpu, workers
from miner_cluster.manifest_item import GPU_ENV
from tests.unit.kube.conftest import obj

ENV = [{"name": name, "value": value} for name, value in GPU_ENV.items()]
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def pod(
    name: str, node: str, env: list[dict[str, Any]], status: dict[str, Any] | None = None
) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "filter", "env": env}]}
    return obj("Pod", name, "data-miner", spec=spec, status=status or READY)


def test_what_asks_for_gpus_and_runs_where_one_works_is_looked_at() -> None:
    pods = [
        pod("a", "gpu1", ENV),
        pod("no-gpu-wanted", "gpu1", []),
        pod("elsewhere", "box1", ENV),
        pod("starting", "gpu1", ENV, {"phase": "Pending"}),
    ]
    assert workers(pods, ["gpu1"]) == [
        Worker(pod="a", namespace="data-miner", container="filter", node="gpu1")
    ]


@pytest.mark.parametrize(
    ("says", "named"), [("echo no", True), ("echo yes", False), ("echo gone >&2; exit 1", False)]
)
def test_only_who_says_that_there_is_no_gpu_is_named(tmp_path: Path, says: str, named: bool) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n{says}\n")
    kubectl.chmod(0o755)
    one = Worker(pod="filter-worker-x", namespace="data-miner", container="filter", node="gpu1")
    sentences = on_the_cpu(kubectl, [one])
    assert bool(sentences) == named
    assert all("kubectl -n data-miner delete pod filter-worker-x" in sentence for sentence in sentences)


def test_where_there_is_no_kubectl_nobody_is_blamed(tmp_path: Path) -> None:
    one = Worker(pod="p", namespace="n", container="c", node="gpu1")
    assert on_the_cpu(tmp_path / "none", [one]) == []
