"""What is in the way of a whole cluster (capacity, absent machines, a missing token), and how it is told."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.cluster import Cluster
from miner_cluster.preflight import (
    Trouble,
    as_text,
    away_trouble,
    capacity_troubles,
    login_trouble,
    token_trouble,
)
from miner_cluster.quantities import millicores, split_range
from miner_cluster.requests import fixed_requests
from tests.unit.preflight.conftest import Look


def everywhere(cluster: Cluster, facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict.fromkeys(cluster.nodes, facts)


def test_the_lab_fits_on_two_cores_and_eight_gib(cluster: Cluster, facts: Look) -> None:
    assert capacity_troubles(cluster, everywhere(cluster, facts(cores=2))) == []


def test_fixed_pods_that_do_not_fit_are_named_with_their_machine(cluster: Cluster, facts: Look) -> None:
    preset = cluster.resource_presets["storage"].model_copy(update={"cpu": "600m-1"})
    heavy = cluster.model_copy(update={"resource_presets": {**cluster.resource_presets, "storage": preset}})
    (only,) = capacity_troubles(heavy, everywhere(heavy, facts(cores=2)))
    assert only.where == "lab-server"
    assert "has 2 cores" in only.found
    assert "filer 0.6" in only.found


def test_a_worker_that_finds_no_place_is_named_with_what_is_left(cluster: Cluster, facts: Look) -> None:
    preset = cluster.resource_presets["medium"].model_copy(update={"cpu": "3-4"})
    heavy = cluster.model_copy(update={"resource_presets": {**cluster.resource_presets, "medium": preset}})
    (only,) = capacity_troubles(heavy, everywhere(heavy, facts(cores=2)))
    assert only.found.startswith("extract-worker requests 3 cores")
    assert "lab-agent-1 1.92" in only.found
    assert "replicas" in only.remedy


@pytest.mark.parametrize(
    ("said", "found", "fits"), [(None, ["0000:01:00.0"], True), (None, [], False), (True, [], True)]
)
def test_a_worker_on_gpus_needs_one_that_is_written_down_or_found(
    cluster: Cluster, facts: Look, said: bool | None, found: list[str], fits: bool
) -> None:
    nodes = {name: node.model_copy(update={"gpu": said}) for name, node in cluster.nodes.items()}
    extract = cluster.workers["extract"].model_copy(update={"schedule_on": "gpu"})
    workers = {**cluster.workers, "extract": extract}
    with_gpus = cluster.model_copy(update={"nodes": nodes, "workers": workers})
    look = everywhere(with_gpus, facts(cores=8, nvidia={"gpus": found, "missing": [], "toolkit": ""}))
    problems = capacity_troubles(with_gpus, look)
    assert [problem.found.endswith("no machine that may run it") for problem in problems] == [True] * (
        not fits
    )


def test_workers_stay_off_machines_that_only_store(cluster: Cluster, facts: Look) -> None:
    nodes = {
        name: node.model_copy(update={"storage_only": name != "lab-server"})
        for name, node in cluster.nodes.items()
    }
    preset = cluster.resource_presets["medium"].model_copy(update={"cpu": "3-4"})
    presets = {**cluster.resource_presets, "medium": preset}
    heavy = cluster.model_copy(update={"nodes": nodes, "resource_presets": presets})
    (only,) = capacity_troubles(heavy, everywhere(heavy, facts(cores=2)))
    assert "left for it: lab-server" in only.found
    assert "lab-agent-1" not in only.found


def test_what_k3s_runs_by_itself_is_counted_on_the_first_server(cluster: Cluster, facts: Look) -> None:
    fixed = sum(request.cpu for request in fixed_requests(cluster)["lab-server"])
    storage = millicores(split_range(cluster.resource_presets["storage"].cpu, millicores)[0])
    # master, filer, volume server and mount
    most = storage + (2000 - fixed) // 4
    preset = cluster.resource_presets["storage"].model_copy(update={"cpu": f"{most}m-2"})
    tight = cluster.model_copy(update={"resource_presets": {**cluster.resource_presets, "storage": preset}})
    assert fixed < sum(request.cpu for request in fixed_requests(tight)["lab-server"]) <= 2000
    (only,) = capacity_troubles(tight, everywhere(tight, facts(cores=2)))
    assert only.where == "lab-server"
    assert "coredns 0.1" in only.found


def test_nothing_is_said_of_capacity_while_a_machine_is_unknown(cluster: Cluster, facts: Look) -> None:
    assert capacity_troubles(cluster, {"lab-server": facts(cores=1, memory_bytes=1)}) == []


def test_a_lab_that_is_away_is_started_with_make(cluster: Cluster) -> None:
    trouble = away_trouble(cluster, "lab-agent-1", "no answer in 5 s")
    assert trouble == Trouble(
        where="lab-agent-1",
        found="172.31.77.11:22 can't be reached (no answer in 5 s)",
        remedy="start the lab: make lab",
    )
    other = cluster.model_copy(update={"name": "mine"})
    assert away_trouble(other, "lab-agent-1", "").remedy.endswith("make lab LAB=mine")


def test_a_real_machine_that_is_away_is_one_to_start_or_correct(cluster: Cluster) -> None:
    real = cluster.model_copy(update={"lab": None})
    remedy = away_trouble(real, "lab-agent-1", "refused").remedy
    assert remedy == "start it, or correct cluster.nodes.lab-agent-1.ip in cluster_config.yaml"


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Host key verification failed.", "playbooks/ssh_keys.yml, which records it"),
        ("root@172.31.77.11: Permission denied (publickey).", "playbooks/ssh_keys.yml --ask-pass"),
        ("sudo: a password is required", "--ask-become-pass"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "apt-get install python3"),
        ("kex_exchange_identification: read", "try: ssh -p 22"),
    ],
)
def test_a_machine_that_does_not_let_us_in_is_told_by_its_reason(
    cluster: Cluster, reason: str, remedy: str
) -> None:
    trouble = login_trouble(cluster, "lab-agent-1", reason)
    assert reason.split(":", maxsplit=1)[0] in trouble.found
    assert remedy in trouble.remedy


def test_a_missing_token_names_the_models_that_need_it() -> None:
    trouble = token_trouble({"filter": "google/siglip2-base-patch16-224"})
    assert "google/siglip2-base-patch16-224 (filter)" in trouble.found
    assert ".env" in trouble.remedy


def test_everything_is_told_at_once_and_in_columns() -> None:
    text = as_text(
        [
            Trouble(where="a", found="is slow", remedy="be patient"),
            Trouble(where="bcd", found="word " * 40, remedy="r"),
        ]
    )
    lines = text.splitlines()
    assert lines[0] == "a    is slow"
    assert lines[1] == "     → be patient"
    assert lines[2].startswith("bcd  word")
    assert all(len(line) <= 110 for line in lines)
    assert lines[-1] == "     → r"
