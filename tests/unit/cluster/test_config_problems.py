"""What can be wrong in cluster_config.yaml and run configs: each mistake is named with its place and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_miner.errors import ConfigError, Problem
from miner_cluster.app_config import load_miner_config
from miner_cluster.cluster import resolve_cluster
from miner_cluster.config_file import load_cluster_file
from tests.unit.cluster.conftest import GOOD, Write
from tests.unit.cluster.mistakes import MISTAKES, NO_CONFIGURATIONS, RUN_MISTAKES, Mistake, RunMistake


def problems_of(write: Write, text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_cluster_file(write(text))
    return caught.value.problems


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_is_named_with_its_place_and_key(write: Write, mistake: Mistake) -> None:
    problems = problems_of(write, mistake.text)
    found = [problem for problem in problems if problem.key == mistake.key and mistake.words in str(problem)]
    assert found, "\n".join(map(str, problems))
    assert (found[0].line, found[0].column) == mistake.place


@pytest.mark.parametrize("mistake", RUN_MISTAKES, ids=str)
def test_a_mistake_in_a_run_config_is_named_with_its_line_and_key(
    write: Write, tmp_path: Path, mistake: RunMistake
) -> None:
    run = tmp_path / "run.yaml"
    run.write_text(mistake.text, "utf-8")
    path = write(GOOD)
    cluster = resolve_cluster(load_cluster_file(path).file, config_file=path, run_config=str(run))
    with pytest.raises(ConfigError) as caught:
        load_miner_config(cluster)
    found = [
        problem
        for problem in caught.value.problems
        if problem.key == mistake.key and mistake.words in str(problem)
    ]
    assert found, str(caught.value)
    assert (found[0].line or 0) == mistake.line
    if mistake.line:
        assert found[0].file == str(run)


def test_a_mistake_in_one_place_hides_none_elsewhere(write: Write) -> None:
    text = GOOD
    for old, new in [
        ("name: test", "title: test"),
        ("192.0.2.3,", "192.0.2.1,"),
        ("disk_limit_mb: 50000", "disk_limit_mb: 500"),
        ("disk_limit_mb: 100000", "disk_limit_mb: lots"),
        ("replicas: 2, schedule_on: master", "replicas: two, schedule_on: master"),
        ("hf_token: true", "preset: huge"),
    ]:
        text = text.replace(old, new, 1)
    assert [problem.key for problem in problems_of(write, text)] == [
        "cluster.title",
        "cluster.nodes.one.disk_limit_mb",
        "cluster.nodes.two.disk_limit_mb",
        "cluster.nodes.three.ip",
        "workers.extract.replicas",
        "workers.filter.preset",
    ]


def test_an_unknown_key_hides_nothing_of_its_section(write: Write) -> None:
    text = GOOD.replace("name: test", "title: test").replace("namespace: seaweedfs", "namespace: data-miner")
    assert [problem.key for problem in problems_of(write, text)] == ["cluster.title", "seaweedfs.namespace"]


@pytest.mark.parametrize("entry", ["one", "two"])
def test_what_a_broken_entry_would_have_been_is_not_missed(write: Write, entry: str) -> None:
    text = GOOD.replace(f"    {entry}: {{ip: 192", f"    {entry}: {{ip: 999", 1).replace(
        "port: 5432", "port: x"
    )
    assert [problem.key for problem in problems_of(write, text)] == [
        f"cluster.nodes.{entry}.ip",
        "infrastructure.postgres.port",
    ]


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
        ("device: auto", "device: tpu"),
    ]:
        text = text.replace(old, new, 1)
    problems = problems_of(write, text)
    lines = [problem.line for problem in problems if problem.line is not None]
    assert len(lines) == 11
    assert lines == sorted(lines)


@pytest.mark.parametrize(("data", "line", "words"), [case[1:] for case in NO_CONFIGURATIONS])
def test_a_file_that_is_no_configuration_is_refused_in_words(
    write: Write, data: bytes, line: int, words: str
) -> None:
    path = write("")
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=words) as caught:
        load_cluster_file(path)
    assert (caught.value.problems[0].line or 0) == line


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        load_cluster_file(Path("/dev/zero"))


def test_a_run_config_and_plugins_that_are_not_there_are_named_with_their_lines(
    write: Write, tmp_path: Path
) -> None:
    text = GOOD.replace("run_configs/demo.yaml", "run_configs/nothing.yaml") + f"yt_dlp_plugins: {tmp_path}\n"
    path = write(text)
    cluster = resolve_cluster(load_cluster_file(path).file, config_file=path)
    with pytest.raises(ConfigError) as caught:
        load_miner_config(cluster)
    assert [(problem.key, problem.line) for problem in caught.value.problems] == [
        ("run_config", 9),
        ("yt_dlp_plugins", len(text.splitlines())),
    ]


def test_what_depends_on_the_run_config_is_not_asked_of_the_clusters_file(write: Write) -> None:
    text = GOOD + "  stages: [search, download, extract, filter]\n  filter: {thresholds: {a door: 0.2}}\n"
    assert load_cluster_file(write(text)).data["k3s_app_overrides"]["stages"][-1] == "filter"
