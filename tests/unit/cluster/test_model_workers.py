"""Which machines need the image with models, and which pods run it."""

from __future__ import annotations

from typing import Any

import pytest

from data_miner.workers.registry import MONITOR, WORKERS
from filter_plugins.models import model_host, runs_models
from miner_cluster.cluster import Cluster
from miner_cluster.model_workers import STAGES, worker_image
from tests.unit.cluster.conftest import GOOD, Load

GPU = "filter: {replicas: 1, schedule_on: gpu, hf_token: true}"


def look(*gpus: str) -> dict[str, Any]:
    return {"_preflight_look": {"facts": {"nvidia": {"gpus": list(gpus)}}}}


def models_on(cluster: Cluster, found: dict[str, Any]) -> list[str]:
    plain = cluster.plain()
    return [
        name
        for name in cluster.nodes
        if runs_models(plain, {"inventory_hostname": name} | found.get(name, {}))
    ]


@pytest.mark.parametrize(
    ("worker", "found", "machines"),
    [
        (GPU, {}, []),
        (GPU, {"one": look(), "two": look("0000:01:00.0"), "three": look("0000:01:00.0")}, ["two"]),
        (GPU, {"one": {"_preflight_look": {"msg": "away"}}}, []),
        ("filter: {schedule_on: master}", {}, ["one"]),
        ("dedup: {schedule_on: all}", {}, ["one", "two"]),
        ("detect: {schedule_on: all, replicas: 0}", {}, ["one", "two"]),
        ("", {"one": look("0000:01:00.0")}, []),
    ],
)
def test_only_machines_to_which_such_workers_come_need_the_image(
    load: Load, worker: str, found: dict[str, Any], machines: list[str]
) -> None:
    cluster = load(GOOD.replace(GPU, worker))
    assert models_on(cluster, found) == machines
    assert model_host(cluster.plain(), found) == next(iter(machines), "")


def test_one_is_found_among_those_that_answer(load: Load) -> None:
    plain = load(GOOD.replace(GPU, "dedup: {schedule_on: all}")).plain()
    assert model_host(plain, {}, ["two", "three"]) == "two"
    assert model_host(plain, {}, ["three"]) == ""


def test_what_the_configuration_says_of_a_gpu_counts(load: Load) -> None:
    text = GOOD.replace("role: worker, disk_limit_mb: 100000", "role: worker, gpu: true")
    text = text.replace("role: master, disk_limit_mb: 50000", "role: master, gpu: false")
    assert models_on(load(text), {"one": look("0000:01:00.0")}) == ["two"]


def test_each_worker_runs_the_image_that_its_stages_need(load: Load) -> None:
    cluster = load(GOOD)
    images = {name: worker_image(cluster, name) for name in [*WORKERS, MONITOR]}
    assert {name for name, image in images.items() if image == "data-miner-models:1.0"} == set(STAGES)
    assert {image for name, image in images.items() if name not in STAGES} == {"data-miner:1.0"}
