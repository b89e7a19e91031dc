"""Steering projects from the command line."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from data_miner.cli.progress import follow
from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.db.projects import project_config
from data_miner.errors import MinerError
from data_miner.queue.leases import bury, release
from data_miner.queue.pauses import pause, paused

from .commands import Commands
from .factories import add_items, end, make_config, take


@pytest.fixture
def commands(database: str) -> Commands:
    return Commands(database)


def test_pause_and_resume_say_what_is_paused(db: Connection, commands: Commands) -> None:
    add_items(db, 1)
    assert commands.json("pause", "p", "--stage", "download") == {"paused": ["download"]}
    assert commands.run("pause", "p", "--stage", "detect").stdout == "p: paused: download, detect\n"
    assert take(db) == []
    assert commands.run("resume", "p").stdout == "p: nothing is paused\n"
    assert paused(db) == {}


def test_status_shows_what_is_paused_and_how_long_the_rest_takes(db: Connection, commands: Commands) -> None:
    add_items(db, 4)
    end(db, "done", "key IN ('a0', 'a1')")
    db.execute("UPDATE finished SET finished_at = now() - interval '1 min'")
    (rate,) = commands.json("status")["projects"]["p"]["rates"].values()
    assert rate["per_minute"] == pytest.approx(2, abs=0.2)
    assert rate["eta_s"] == pytest.approx(60, abs=6)
    commands.run("pause", "p", "--stage", "download")
    done = commands.run("status", environment={"COLUMNS": "80"})
    (row,) = [line for line in done.stdout.splitlines() if "│ download" in line]
    assert "paused" in row
    assert len(row) <= 80


def test_retry_of_one_stage_leaves_the_others(db: Connection, commands: Commands) -> None:
    add_items(db, 1)
    add_items(db, 1, stage=Stage.EXTRACT)
    bury(db, take(db)[0], "HTTP 404")
    end(db, "dead", "stage = 'extract'")
    assert [row["error"] for row in commands.json("failed", "p")].count("HTTP 404") == 1
    assert commands.json("retry", "p", "--stage", "download") == {"ready": 1}
    assert [row["stage"] for row in commands.json("failed", "p")] == ["extract"]


def test_projects_are_listed(db: Connection, commands: Commands) -> None:
    for name in ("b", "a"):
        add_items(db, 1, project=name)
    assert commands.json("projects") == ["a", "b"]


def test_the_shell_offers_projects(db: Connection, commands: Commands) -> None:
    for name in ("door", "desk", "other"):
        add_items(db, 1, project=name)
    environment = {
        "_DATA_MINER_COMPLETE": "complete_bash",
        "COMP_WORDS": "data-miner retry d",
        "COMP_CWORD": "2",
    }
    assert commands.run(environment=environment, check=False).stdout.split() == ["desk", "door"]


def test_doctor_names_the_remedy_and_fails(commands: Commands, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"project: p\noutput_dir: {tmp_path / 'file' / 'out'}\nurls: [http://x.example/a.mp4]\n"
    )
    (tmp_path / "file").touch()
    done = commands.run(
        "doctor", "-c", str(config), check=False, environment={"DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    )
    assert done.returncode == 1
    assert done.stdout.count("mend") == 2
    assert "choose another output_dir" in " ".join(done.stdout.replace("│", " ").split())


def test_doctor_is_content_where_all_is_well(commands: Commands, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(f"project: p\noutput_dir: {tmp_path / 'out'}\nurls: [http://x.example/a.mp4]\n")
    assert all(one["ok"] for one in commands.json("doctor", "-c", str(config)))


def test_a_directory_that_can_not_be_made_is_an_error_in_words(commands: Commands, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("project: p\nurls: [http://x.example/a.mp4]\n")
    done = commands.run("run", str(config), "--local", "--output", "/proc/none", check=False)
    assert (done.returncode, done.stderr) == (1, "error: /proc/none: No such file or directory\n")


def test_run_queues_a_project_with_what_belongs_to_the_cluster(
    db: Connection, commands: Commands, tmp_path: Path
) -> None:
    config, mounted = tmp_path / "run.yaml", tmp_path / "mounted.yaml"
    config.write_text("project: mine\nurls: [http://x.example/a.mp4]\noutput_dir: elsewhere\n")
    place = make_config(output_dir="/swdfs_mnt/out", download={"proxy": "http://proxy.example:1"})
    mounted.write_text(place.model_dump_json(exclude_none=True))
    done = commands.run("run", str(config), environment={"DATA_MINER_CONFIG": str(mounted)})
    assert done.stdout.startswith("mine: 1 new items")
    stored = project_config(db, "mine")
    assert (str(stored.output_dir), stored.download.proxy) == ("/swdfs_mnt/out", "http://proxy.example:1")
    assert commands.json("run", str(config))["new_items"] == 0


def test_waiting_for_a_project_ends_when_its_workers_lack_what_they_need(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_items(db, 1)
    release(db, take(db), "model m is not here")
    monkeypatch.setattr("data_miner.cli.progress._PATIENCE_S", 0.1)
    with pytest.raises(MinerError, match="model m is not here"):
        follow(db, "p", check=lambda: None, console=Console(file=StringIO()))


def test_waiting_for_a_project_ends_when_the_rest_is_paused(db: Connection) -> None:
    add_items(db, 1)
    pause(db, "p")
    counts = follow(db, "p", check=lambda: None, console=Console(file=StringIO()))
    assert counts["download"]["ready"] == 1


RUN = "project: p\nsearch: {queries: []}\nurls: ['http://127.0.0.1:9/a.mp4']\n"


def test_a_run_config_comes_from_standard_input_too(
    db: Connection, commands: Commands, tmp_path: Path
) -> None:
    done = commands.run("run", "-", stdin=RUN)
    assert "p" in commands.json("projects"), done.stderr
    assert commands.run("config", "validate", "-", stdin=RUN).stdout == "-: valid, project p\n"


def test_a_run_config_is_checked_as_it_is_run(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(RUN)
    for words in ([str(file)], ["-c", str(file)]):
        assert commands.run("config", "validate", *words).stdout == f"{file}: valid, project p\n"
    nothing = commands.run("config", "validate", check=False)
    assert nothing.returncode == 2
    assert "give a run config" in nothing.stderr


def test_where_nobody_can_answer_removing_names_the_option_that_does_not_ask(
    db: Connection, commands: Commands
) -> None:
    add_items(db, 1)
    done = commands.run("delete-project", "p", check=False)
    assert done.returncode == 1
    assert "pass --yes" in done.stderr
    assert commands.json("projects") == ["p"]
    assert commands.run("delete-project", "p", stdin="y\n").returncode == 0
    assert commands.json("projects") == []


def test_an_export_of_nothing_says_whether_something_still_waits(
    db: Connection, commands: Commands, tmp_path: Path
) -> None:
    add_items(db, 1)
    to = str(tmp_path / "out")
    assert "says what waits and why" in commands.run("export", "p", "--to", to, check=False).stderr
    end(db, "done", "true")
    assert "all is done, and none was kept" in commands.run("export", "p", "--to", to, check=False).stderr
