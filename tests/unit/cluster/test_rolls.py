"""Which workers a change restarts: those that read what changed as they start, and no others."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT, Cluster
from miner_cluster.kube.deployed import token_digest
from miner_cluster.manifests_workers import READ_AT_START
from tests.unit.cluster.conftest import GOOD, Load, Render

ALL = {"download", "extract", "filter", "monitor"}


def pod_templates(render: Render, cluster: Cluster, **more: Any) -> dict[str, Any]:
    return {
        item["path"].partition("/")[2].partition("-")[0]: item["object"]["spec"]["template"]
        for item in render(cluster, "workers", **more)
        if item["object"]["kind"] in {"Deployment", "StatefulSet"}
    }


def rolled(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.mark.parametrize(
    ("addition", "stages"),
    [
        ("  logging: {level: DEBUG}\n", ALL),
        ("  queue: {poll_s: 2}\n", ALL),
        ("  models_dir: /swdfs_mnt/swshared/models\n", ALL),
        ("  download: {breaker: {pause_s: 61}}\n", ALL),
        ("  download: {max_height: 481}\n", {"monitor"}),
        ("  extract: {fps: 7}\n", {"monitor"}),
        ("  search: {queries: [doors]}\n", {"monitor"}),
        ("  monitor: {reseed_s: 61}\n", {"monitor"}),
    ],
)
def test_a_change_of_the_configuration_restarts_who_reads_it(
    render: Render, load: Load, addition: str, stages: set[str]
) -> None:
    before = pod_templates(render, load(GOOD))
    assert rolled(before, pod_templates(render, load(GOOD + addition))) == stages


def test_another_address_of_the_database_restarts_all(render: Render, load: Load) -> None:
    before = pod_templates(render, load(GOOD))
    assert rolled(before, pod_templates(render, load(GOOD.replace("port: 5432", "port: 5433")))) == ALL


def test_another_token_restarts_those_that_get_it(render: Render, load: Load) -> None:
    cluster = load(GOOD)
    first, second = token_digest("hf_one", cluster.name), token_digest("hf_two", cluster.name)
    before = pod_templates(render, cluster, token_digest=first)
    assert rolled(before, pod_templates(render, cluster, token_digest=second)) == {"filter"}
    assert rolled(before, pod_templates(render, cluster, token_digest=first)) == set()


def test_a_digest_hides_the_token_and_differs_between_clusters() -> None:
    assert "secret" not in token_digest("hf_secret", "lab")
    assert token_digest("hf_secret", "lab") != token_digest("hf_secret", "production")
    assert token_digest("", "lab") == ""


def attributes(node: ast.AST) -> list[str]:
    """Return the names of a chain such as self.process.config.queue."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []


OWNERS = (["self", "config"], ["process", "config"], ["self", "process", "config"])
#: takes the whole configuration; what it reads of it is looked up in its module
TAKERS = {"LoadedModels": (CHECKOUT / "data_miner" / "models" / "provider.py", ["config"])}


def read_of(file: Path, *owners: list[str]) -> set[str]:
    """Return the keys that a module reads of a configuration under these names."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    chains = [attributes(node) for node in nodes if id(node) not in inner]
    return {
        ".".join(chain[len(owner) :])
        for chain in chains
        for owner in owners
        if chain[: len(owner)] == owner and len(chain) > len(owner)
    }


def handed_to(file: Path) -> set[str]:
    """Return the names of the functions to which a module hands the whole configuration of its process."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return {
        attributes(call.func)[-1]
        for call in calls
        if any(attributes(argument) in OWNERS for argument in call.args)
    }


def test_what_workers_read_as_they_start_is_what_restarts_them() -> None:
    files = sorted((CHECKOUT / "data_miner" / "workers").glob("*.py"))
    read: set[str] = set()
    for file in files:
        if file.name != "monitor.py":
            read |= read_of(file, *OWNERS)
            for taker in handed_to(file):
                read |= read_of(TAKERS[taker][0], TAKERS[taker][1])
    assert {"queue.lease_s", "device"} <= read
    unknown = {
        key for key in read if not any(key == one or key.startswith(f"{one}.") for one in READ_AT_START)
    }
    assert not unknown, "add them to READ_AT_START, else their change reaches no worker"
