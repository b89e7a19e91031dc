"""What can be wrong in cluster_config.yaml: each mistake is named with its line and key."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from data_miner.errors import ConfigError, Problem
from miner_cluster.config_file import load_cluster_file
from tests.unit.cluster.conftest import GOOD, Write


class Case(NamedTuple):
    """A mistake: what is replaced by what, the key it is found at, a word of the message."""

    old: str
    new: str
    key: str
    word: str


NODE_TWO = "    two: {ip: 192.0.2.2, role: worker, disk_limit_mb: 100000}"
CASES = [
    # keys
    Case("k3s_version", "k3s_versoin", "cluster.k3s_versoin", "did you mean k3s_version?"),
    Case("workers:", "worker:", "worker", "did you mean workers?"),
    Case("data_dir:", "data_path:", "seaweedfs.data_path", "unknown key"),
    Case("image:\n", "image:\n  db_path: /x\n", "image.db_path", "it belongs to storage"),
    Case("  extract:", "  extrct:", "workers.extrct", "did you mean extract?"),
    Case("  postgres:", "  mysql:", "infrastructure.mysql", "known here: postgres"),
    Case("  namespace: data-miner", "  namespace: a\n  namespace: b", "cluster.namespace", "given twice"),
    Case("ip: 192.0.2.2, ", "", "cluster.nodes.two.ip", "is missing"),
    Case("role: worker, disk", "disk", "cluster.nodes.two.role", "is missing"),
    # kinds of values
    Case('tag: "1.0"', "tag: 1.30", "image.tag", "put it in quotes"),
    Case("disk_limit_mb: 100000", "disk_limit_mb: lots", "cluster.nodes.two.disk_limit_mb", "whole number"),
    Case("disk_limit_mb: 100000", "disk_limit_mb: -1", "cluster.nodes.two.disk_limit_mb", "-1"),
    Case("disk_limit_mb: 100000", "disk_limit_mb: 1e5", "cluster.nodes.two.disk_limit_mb", "whole number"),
    Case("name: data-miner\n", "name: no\n", "image.name", "put it in quotes"),
    Case("hf_token: true", "hf_token: maybe", "workers.filter.hf_token", "true or false"),
    Case("replicas: 3", "replicas: '3'", "workers.download.replicas", "without quotes"),
    Case("replicas: 3", "replicas: -3", "workers.download.replicas", "-3"),
    Case("replicas: 3", "replicas: true", "workers.download.replicas", "whole number"),
    Case(
        "kind: StatefulSet, replicas", "kind: Statefulset, replicas", "workers.download.kind", "did you mean"
    ),
    Case("schedule_on: gpu", "schedule_on: cpu", "workers.filter.schedule_on", "should be one of"),
    Case(
        "role: worker, disk", "role: slave, disk", "cluster.nodes.two.role", "should be one of master, worker"
    ),
    Case("storage:\n", "storage: []\nold:\n", "storage", "should be a mapping"),
    Case(NODE_TWO, "    two: 192.0.2.2", "cluster.nodes.two", "should be a mapping"),
    Case(
        "storage:\n  seaweedfs_mount: /swdfs_mnt/swshared\n  db_path: /data/data_miner_db",
        "storage:",
        "storage",
        "found nothing",
    ),
    Case(
        "image: chrislusf/seaweedfs:4.48",
        "image: 'chrislusf/seaweedfs:'",
        "seaweedfs.image",
        "image reference",
    ),
    Case('"postgres:16"', '"postgres 16"', "infrastructure.postgres.image", "image reference"),
    Case('"postgres:16"', '"Postgres:16"', "infrastructure.postgres.image", "image reference"),
    Case("v1.31.0+k3s1", "1.31", "cluster.k3s_version", "quotes"),
    Case("v1.31.0+k3s1", "v1.31", "cluster.k3s_version", "k3s release"),
    Case("name: test", "name: Test!", "cluster.name", "RFC 1123"),
    # machines
    Case("role: master", "role: worker", "cluster.nodes", "no node has role master"),
    Case("role: worker, disk", "role: master, disk", "cluster.nodes.two.role", "use 1, 3 or 5 masters"),
    Case("192.0.2.2", "192.0.2.1", "cluster.nodes.two.ip", "is the address of one too"),
    Case("192.0.2.2", "192.0.2.256", "cluster.nodes.two.ip", "IPv4"),
    Case("192.0.2.2", "2001:db8::1", "cluster.nodes.two.ip", "IPv6"),
    Case("192.0.2.2", "127.0.0.1", "cluster.nodes.two.ip", "other machines"),
    Case("192.0.2.2", "box.example", "cluster.nodes.two.ip", "IPv4"),
    Case("    two:", "    Two_2:", "cluster.nodes.Two_2", "RFC 1123"),
    Case("    two:", f"    {'x' * 46}:", f"cluster.nodes.{'x' * 46}", "at most 45"),
    Case("    two:", "    localhost:", "cluster.nodes.localhost", "something else"),
    Case("    two:", "    no:", "cluster.nodes", "quote it"),
    Case(
        "role: worker, storage_only",
        "role: master, storage_only",
        "cluster.nodes.three.storage_only",
        "master",
    ),
    Case(NODE_TWO, NODE_TWO[:-1] + ", labels: {a b: c}}", "cluster.nodes.two.labels.a b", "label key"),
    # meaning across sections
    Case(
        "disk_limit_mb: 100000", "disk_limit_mb: 1000", "cluster.nodes.two.disk_limit_mb", "holds no volume"
    ),
    Case(
        "default_disk_limit_mb: 0",
        "default_disk_limit_mb: 5",
        "seaweedfs.default_disk_limit_mb",
        "1024 or more",
    ),
    Case(
        "schedule_on: gpu,", "schedule_on: gpu, preset: huge,", "workers.filter.preset", "small, medium, gpu"
    ),
    Case("  gpu: {", "  big: {", "workers.filter.preset", "'gpu'"),
    Case("cpu: 250m-1000m", "cpu: 1 CPU", "resource_presets.small.cpu", "no CPU quantity"),
    Case("cpu: 250m-1000m", "cpu: 250m-", "resource_presets.small.cpu", "lacks a side"),
    Case("cpu: 250m-1000m", "cpu: 2-1", "resource_presets.small.cpu", "write 1-2"),
    Case("memory: 512Mi-2Gi", "memory: 2Gi-512Mi", "resource_presets.small.memory", "write 512Mi-2Gi"),
    Case("memory: 512Mi-2Gi", "memory: 512", "resource_presets.small.memory", "quotes"),
    Case("port: 5432", "port: 70000", "infrastructure.postgres.port", "65535"),
    Case("port: 5432", "node_port: 80", "infrastructure.postgres.node_port", "30000"),
    Case("port: 5432", "replicas: 2", "infrastructure.postgres.replicas", "1"),
    Case(
        "postgres: {kind: StatefulSet",
        "postgres: {kind: Deployment",
        "infrastructure.postgres.kind",
        "StatefulSet",
    ),
    Case("  postgres: {", "  loki: {", "infrastructure", "add postgres"),
    Case("namespace: seaweedfs", "namespace: data-miner", "seaweedfs.namespace", "two namespaces"),
    Case("  namespace: data-miner", "  namespace: default", "cluster.namespace", "Kubernetes's own"),
    Case("  namespace: data-miner", "  namespace: kube-x", "cluster.namespace", "Kubernetes's own"),
    # paths
    Case("db_path: /data/data_miner_db", "db_path: data", "storage.db_path", "absolute path"),
    Case("db_path: /data/data_miner_db", "db_path: ''", "storage.db_path", "absolute path"),
    Case("db_path: /data/data_miner_db", "db_path: /data/../etc", "storage.db_path", "without //, .."),
    Case("db_path: /data/data_miner_db", "db_path: /etc/db", "storage.db_path", "/etc"),
    Case("db_path: /data/data_miner_db", "db_path: /", "storage.db_path", "system directory"),
    Case("db_path: /data/data_miner_db", "db_path: /data/a b", "storage.db_path", "absolute path"),
    Case("mount: /swdfs_mnt/swshared", "mount: /mnt", "storage.seaweedfs_mount", "above it"),
    Case("data_dir: /data/seaweed", "data_dir: /swdfs_mnt/swshared", "seaweedfs.data_dir", "overlap"),
    Case("data_dir: /data/seaweed", "data_dir: /data/data_miner_db/s", "seaweedfs.data_dir", "overlap"),
    Case("db_path: /data/data_miner_db", "db_path: /swdfs_mnt/db", "storage.db_path", "overlap"),
    # references
    Case("${storage.seaweedfs_mount}", "${storage.mount}", "k3s_app_overrides.output_dir", "did you mean"),
    Case(
        "${storage.seaweedfs_mount}",
        "${k3s_app_overrides.output_dir}",
        "k3s_app_overrides.output_dir",
        "itself",
    ),
    Case("${storage.seaweedfs_mount}", "${storage}", "k3s_app_overrides.output_dir", "single value"),
    Case("${storage.seaweedfs_mount}", "${storage", "k3s_app_overrides.output_dir", "no end"),
    Case(
        "data_dir: /data/seaweed",
        "data_dir: '${seaweedfs.volume_size_limit_mb}'",
        "seaweedfs.data_dir",
        "text",
    ),
    # YAML
    Case("image:\n  name", "image:\n\tname", "", "tab"),
    Case("nodes:", "nodes: [", "", "not valid YAML"),
]


def problems_of(write: Write, text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_cluster_file(write(text))
    return caught.value.problems


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.new.strip().replace("\n", " ")[:50])
def test_a_mistake_is_named_with_its_line_and_key(write: Write, case: Case) -> None:
    assert case.old in GOOD
    text = GOOD.replace(case.old, case.new, 1)
    problems = problems_of(write, text)
    found = [problem for problem in problems if problem.key == case.key and case.word in str(problem)]
    assert found, "\n".join(map(str, problems))
    if case.key:
        # what is missing, or was filled in, has the line of what it belongs to
        names = case.key.split(".")[-2:]
        line = text.splitlines()[(found[0].line or 0) - 1]
        wanted = "|".join(re.escape(name) for name in names)
        assert re.search(rf"\b({wanted}|no)\b", line), f"line {found[0].line} is {line!r}"


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(write: Write) -> None:
    text = GOOD
    for old, new in [
        ("k3s_version", "k3s_versoin"),
        ("192.0.2.2", "192.0.2.999"),
        ("db_path: /data/data_miner_db", "db_path: data"),
        ('tag: "1.0"', "tag: 1.30"),
        ("default_disk_limit_mb: 0", "default_disk_limit_mb: 5"),
        ("cpu: 250m-1000m", "cpu: 250m-"),
        ("replicas: 3", "replicas: many"),
        ("schedule_on: gpu", "schedule_on: moon"),
        ('"postgres:16"', "postgres 16"),
        ("${storage.seaweedfs_mount}", "${storage.mount}"),
    ]:
        text = text.replace(old, new, 1)
    problems = problems_of(write, text)
    lines = [problem.line for problem in problems if problem.line is not None]
    assert len(lines) == 10
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"# nothing\n", "empty"),
        (b"\xef\xbb\xbfcluster: {}\n", "byte order mark"),
        (b"\x7fELF\x00\x01\xff", "UTF-8"),
        (b"- a\n- b\n", "a list"),
        (b"a: &a [x]\nb: &b [*a, *a]\ncluster: *missing\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_words(write: Write, data: bytes, word: str) -> None:
    path = write("")
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=word):
        load_cluster_file(path)
