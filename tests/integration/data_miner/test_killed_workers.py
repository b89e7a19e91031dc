"""Worker processes killed in the middle of an item: another finishes it, and nothing is there twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from data_miner.config import AppConfig, to_plain
from data_miner.db.connect import Connection
from data_miner.workers.monitor import seed

from .factories import make_config
from .site import Site, make_video

Start = Callable[[str, str], "subprocess.Popen[bytes]"]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    with Site() as running:
        yield running


@pytest.fixture
def config(tmp_path: Path) -> AppConfig:
    return make_config(
        output_dir=str(tmp_path / "out"),
        queue={"lease_s": 2, "heartbeat_s": 0.3},
        extract={"fps": 30, "max_frames": 100_000, "min_difference": 0},
    )


@pytest.fixture
def start(tmp_path: Path, database: str, config: AppConfig) -> Iterator[Start]:
    """Start a worker process of its own for a stage, under a name."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(to_plain(config)))
    with ExitStack() as stack:

        def run(stage: str, name: str) -> subprocess.Popen[bytes]:
            env = os.environ | {"DATABASE_URL": database, "DATA_MINER_CONFIG": str(file), "POD_NAME": name}
            argv = [sys.executable, "-m", "data_miner.cli", "worker", stage]
            with (tmp_path / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield run


def wait(probe: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def row(db: Connection, stage: str) -> dict[str, object]:
    found = db.execute("SELECT state, worker, attempts FROM item WHERE stage = %s", [stage]).fetchall()
    assert len(found) == 1
    return found[0]


def finished_by(db: Connection, stage: str) -> object:
    """Wait for the item to be done; the worker that did it."""
    wait(lambda: row(db, stage)["state"] == "done")
    return row(db, stage)["worker"]


def test_a_download_is_finished_by_another_worker_from_where_it_stopped(
    db: Connection, site: Site, config: AppConfig, start: Start, tmp_path: Path
) -> None:
    body = make_video(seconds=20, fps=25, width=320, height=240)
    url = site.add("/slow.mp4", body, speed=len(body) / 4)
    seed(db, config.model_copy(update={"urls": [url]}))
    victim = start("download", "victim")
    wait(lambda: sum(f.stat().st_size for f in tmp_path.glob("out/tmp/download/*/*/*.part")) > len(body) / 4)
    assert row(db, "download") == {"state": "leased", "worker": "victim", "attempts": 1}
    victim.kill()
    victim.wait()
    start("download", "heir")
    assert finished_by(db, "download") == "heir"
    (video,) = (tmp_path / "out/videos").rglob("*.*")
    assert video.read_bytes() == body
    assert any(asked for path, asked in site.requests if path == "/slow.mp4" and asked), "began anew"
    assert db.execute("SELECT count(*) AS n FROM video").fetchall() == [{"n": 1}]


def test_a_cut_is_finished_by_another_worker_and_its_frames_are_there_once(
    db: Connection, site: Site, config: AppConfig, start: Start, tmp_path: Path
) -> None:
    url = site.add("/long.mp4", make_video(seconds=40, fps=30, width=640, height=480))
    seed(db, config.model_copy(update={"urls": [url]}))
    start("download", "loader")
    wait(lambda: db.execute("SELECT FROM item WHERE stage = 'extract'").fetchall())
    victim = start("extract", "victim")
    wait(lambda: len(list(tmp_path.glob("out/tmp/extract/*/*/frames/*.jpg"))) > 20)
    victim.kill()
    victim.wait()
    assert row(db, "extract")["state"] == "leased"
    start("extract", "heir")
    assert finished_by(db, "extract") == "heir"
    (manifest,) = (tmp_path / "out/frames").rglob("frames.json")
    frames = list((tmp_path / "out/frames").rglob("*.jpg"))
    assert len(frames) == json.loads(manifest.read_text())["frames"] == 1200
    assert db.execute("SELECT sum(frames)::int AS n FROM frameset").fetchall() == [{"n": 1200}]
