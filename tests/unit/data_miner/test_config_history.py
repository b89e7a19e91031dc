"""`data-miner config`: where values come from, and how two run configs differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from typer.testing import CliRunner, Result

from data_miner.cli.main import app
from data_miner.config import Layer, merge
from data_miner.config.history import differences, explanations
from tests.unit.data_miner.test_config_merge import maps


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a run config, another one, and a file of overrides."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text("project: p\nextract:\n  fps: 2\nsearch: {queries: [a]}\n")
    (tmp_path / "other.yaml").write_text("project: p\ndownload: {max_size_mib: null}\nextract: {fps: 3}\n")
    (tmp_path / "over.yaml").write_text("output_dir: /x\nextract: {fps: 5}\n")
    return tmp_path


def config(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", *arguments])


def test_explaining_a_key_says_who_set_it_and_what_that_replaced(here: Path) -> None:
    done = config("explain", "extract.fps", "--config", "run.yaml", "--overrides", "over.yaml")
    assert done.exit_code == 0
    first, second, third = done.stdout.strip().split(", over ")
    assert first == "extract.fps = 5  from overrides (over.yaml:2)"
    assert second == "2 from run config (run.yaml:3)"
    assert third.startswith("1 from default (data_miner/default.yaml:")


def test_without_a_run_config_the_defaults_are_explained(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_MINER_RUN_CONFIG", raising=False)
    monkeypatch.delenv("DATA_MINER_CONFIG", raising=False)
    assert config("explain", "extract.fps").stdout.startswith(
        "extract.fps = 1  from default (data_miner/default"
    )
    assert "fps: 1" in config("show").stdout


def test_a_worker_explains_the_configuration_that_it_has(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_MINER_CONFIG", "run.yaml")
    assert config("explain", "extract.fps").stdout.startswith("extract.fps = 2  from run config (run.yaml:3)")


def test_explaining_a_list_says_what_it_replaced(here: Path) -> None:
    lines = config("explain", "search.queries", "--config", "run.yaml").stdout.splitlines()
    assert lines[0].startswith("search.queries is set anew, over [] from default (")
    assert lines[1] == "search.queries[0] = 'a'  from run config (run.yaml:4)"


def test_explaining_a_removed_key_says_who_removed_it(here: Path) -> None:
    line = config("explain", "download.max_size_mib", "--config", "other.yaml").stdout
    assert line.startswith(
        "download.max_size_mib removed by run config (other.yaml:2), over 2048 from default"
    )


def test_explaining_a_key_that_may_be_left_out_says_that_it_is(here: Path) -> None:
    assert config("explain", "download.proxy", "--config", "run.yaml").stdout == "download.proxy is not set\n"


def test_explaining_what_nobody_knows_suggests_a_key(here: Path) -> None:
    done = config("explain", "extract.fsp", "--config", "run.yaml")
    assert done.exit_code == 2
    assert "no such key; did you mean extract.fps?" in done.stderr


def test_explaining_survives_a_url_that_is_listed_twice(here: Path) -> None:
    (here / "urls.txt").write_text("http://a/1\nhttp://a/2\n")
    (here / "run.yaml").write_text("project: p\nurls: [http://a/1]\nurl_files: [urls.txt]\n")
    done = config("explain", "urls", "--config", "run.yaml")
    assert done.exit_code == 0
    assert "urls[1] = 'http://a/2'  from run config (run.yaml:3)" in done.stdout


def test_diff_shows_what_another_run_config_changes_and_where(here: Path) -> None:
    done = config("diff", "run.yaml", "other.yaml")
    assert done.exit_code == 1
    assert [line.partition("  from")[0] for line in done.stdout.splitlines()] == [
        "- download.max_size_mib = 2048",
        "~ extract.fps = 3",
        "~ search.queries = []",
    ]
    assert "from run config (other.yaml:3), instead of 2 from run config (run.yaml:3)" in done.stdout


def test_diff_of_what_means_the_same_is_empty(here: Path) -> None:
    (here / "again.yaml").write_text("search: {queries: [a]}\nextract: {fps: 2}\nproject: p\n")
    done = config("diff", "run.yaml", "again.yaml")
    assert (done.exit_code, done.stdout) == (0, "")


def test_diff_of_a_bad_file_is_an_error_of_its_own(here: Path) -> None:
    (here / "bad.yaml").write_text("project: p\nextract: {fps: fast}\n")
    done = config("diff", "run.yaml", "bad.yaml")
    assert done.exit_code == 2
    assert "bad.yaml:2:11: extract.fps" in done.stderr


@given(maps, maps)
def test_differences_are_empty_exactly_for_equal_configurations(
    one: dict[str, object], two: dict[str, object]
) -> None:
    before, after = merge(Layer(name="a", data=one)), merge(Layer(name="b", data=two))
    assert bool(differences(before, after)) == (before.data != after.data)


@given(maps, maps)
def test_every_value_can_be_explained(one: dict[str, object], two: dict[str, object]) -> None:
    merged = merge(Layer(name="a", data=one), Layer(name="b", data=two))
    for key in merged.data:
        assert explanations(merged, key)
