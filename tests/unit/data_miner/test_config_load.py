"""The merged configuration is checked by the model, and errors name the layer and line to edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_miner.config import AppConfig, Layer, Stage, load_app_config, load_resolved, parse_yaml, validate
from data_miner.config.load import to_plain
from data_miner.errors import ConfigError

ROOT = Path(__file__).parents[3]


def overrides(text: str) -> Layer:
    return Layer.from_source("overrides", parse_yaml(text, Path("o.yaml")))


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_app_config(None, overrides("project: p\n" + text))
    return str(caught.value)


@pytest.mark.parametrize("name", ["demo", "glass_door"])
def test_shipped_run_configs_are_valid(name: str) -> None:
    merged = load_app_config(ROOT / "run_configs" / f"{name}.yaml")
    assert validate(merged).project == name


@pytest.mark.parametrize("name", ["demo", "glass_door"])
def test_shipped_run_configs_select_every_stage(name: str) -> None:
    config = validate(load_app_config(ROOT / f"run_configs/{name}.yaml"))
    assert config.stages == list(Stage)
    assert set(config.models()) == {Stage.FILTER, Stage.DEDUP, Stage.DETECT}


def test_a_run_config_overrides_the_default_and_the_cluster_overrides_both(tmp_path: Path) -> None:
    run = tmp_path / "run.yaml"
    run.write_text("project: p\ndevice: cpu\nextract: {fps: 2}\n")
    merged = load_app_config(run, overrides("device: cuda\n"))
    assert (merged.data["device"], merged.data["extract"]["fps"]) == ("cuda", 2)
    assert str(merged.provenance["device",]) == "overrides (o.yaml:1)"
    assert merged.provenance["extract", "mode"].layer == "default"


def test_null_means_no_limit() -> None:
    merged = load_app_config(None, overrides("project: p\ndownload: {max_duration_s: null}\n"))
    assert validate(merged).download.max_duration_s is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "download:\n  blocked_hashtag_patterns: ''\n",
            "o.yaml:3:3: download.blocked_hashtag_patterns: should be a list; found empty text ''",
        ),
        ("output_dir: ''\n", "o.yaml:2:1: output_dir: should be a path; found empty text ''"),
        ("output_dir: ${a.b}/x\n", "output_dir: has an unresolved reference"),
        ("download: {retrys: 3}\n", "o.yaml:2:12: download.retrys: unknown key; did you mean retries?"),
        (
            "download:\n  max_height: null\n",
            "o.yaml:3:3: download.max_height: is missing; the null on this line removes it",
        ),
        ("extract: {fps: '1'}\n", "extract.fps: should be a number; found '1'"),
        ("stages: [search, extract]\n", "stages: should be the first of [search, download"),
        ("stages: [search, paint]\n", "stages[1]: should be one of search, download, extract"),
        ("queue: {heartbeat_s: 50}\n", "o.yaml:2:9: queue.heartbeat_s: 50 is more than half of lease_s (60)"),
        ("download: {blocked_hashtag_patterns: ['(']}\n", "is not a regular expression"),
        ("urls: [ftp://x]\n", "urls[0]: should be a URL with http:// or https://; found 'ftp://x'"),
        ("queue: {lease_s: 1201}\n", "queue.lease_s: should be less than or equal to 1200"),
        ("download: {proxy: 'http://me:secret@x:1'}\n", "o.yaml:2:12: download.proxy: holds a login"),
        ("urls: [http://x/1, 'http://me:secret@x/2']\n", "o.yaml:2:20: urls[1]: holds a login"),
        ("playlists: [https://me@x/]\n", "playlists[0]: holds a login, which all who read"),
        ("filter: 3\n", "filter: should be a mapping (lines of `key: value`); found 3"),
        ("stages: [search, download, extract, filter]\n", "o.yaml:2:1: filter.positive_prompts: is empty"),
    ],
)
def test_a_bad_value_is_named_with_its_place(text: str, expected: str) -> None:
    assert expected in refusal(text)


@pytest.mark.parametrize("key", ["download: {proxy: '%s'}\n", "urls: ['%s']\n"])
def test_a_password_that_is_refused_is_not_shown(key: str) -> None:
    said = refusal(key % "https://me:secret@x:1")
    assert "secret" not in said
    assert "in .env" in said


def test_a_missing_project_is_said_plainly() -> None:
    with pytest.raises(ConfigError, match="project: is missing; add it to the run config"):
        load_app_config(None)


def test_every_problem_is_reported_at_once() -> None:
    assert len(refusal("device: tpu\nurls: x\nextra: 1\n").splitlines()) == 3


def test_a_resolved_configuration_loads_as_it_was(tmp_path: Path) -> None:
    config = validate(load_app_config(ROOT / "run_configs/glass_door.yaml"))
    path = tmp_path / "config.yaml"
    path.write_text(config.model_dump_json(exclude_none=True))
    assert load_resolved(path) == config
    assert AppConfig.model_validate(to_plain(config)) == config


def test_url_files_join_the_urls(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("# mine\nhttp://b/1\n\nhttp://a/1\n")
    run = tmp_path / "run.yaml"
    run.write_text("project: p\nurls: [http://a/1]\nurl_files: [more.txt]\n")
    assert load_app_config(run).data["urls"] == ["http://a/1", "http://b/1"]


def test_a_bad_url_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("http://b/1\nnot a url\n")
    run = tmp_path / "run.yaml"
    run.write_text("project: p\nurl_files: [more.txt, none.txt]\n")
    with pytest.raises(ConfigError) as caught:
        load_app_config(run)
    assert "more.txt:2:1: not a URL: 'not a url'" in str(caught.value)
    assert "run.yaml:2:23: url_files[1]" in str(caught.value)


def test_a_login_in_a_url_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("http://b/1\nhttps://me:secret@b/1\n")
    run = tmp_path / "run.yaml"
    run.write_text("project: p\nurl_files: [more.txt]\n")
    with pytest.raises(ConfigError) as caught:
        load_app_config(run)
    assert "more.txt:2:1: holds a login" in str(caught.value)
    assert "secret" not in str(caught.value)
