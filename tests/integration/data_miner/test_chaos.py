"""Everything goes wrong for a while; afterwards the results are those of a run in which nothing did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_miner.config import AppConfig
from data_miner.db.connect import Connection, connect
from data_miner.db.migrate import migrate
from data_miner.orphans import OrphanCollector
from data_miner.queue.leases import retry
from data_miner.store import Store
from data_miner.workers.monitor import seed, sweep

from .chaos import Chaos, Postgres
from .loki import RealLoki, loki_program
from .pipeline import Pipeline
from .settings import settings
from .site import Site, make_video

#: of a video, in bytes a second: slow enough that faults meet downloads, in a long run until its end
SPEED, LONG_SPEED = 6_000, 500
PATIENCE_S = 120
HOUR_S = 3600

#: what there is to be found, in a form that says nothing of the order in which it was
RESULTS = {
    "origins": "SELECT key, video FROM video_origin",
    "frames": "SELECT video, params_hash, frames FROM frameset",
    "passed": "SELECT video, passed_ms FROM filtered",
    "kept": "SELECT video, time_ms FROM dedup_frame WHERE kept",
    "objects": (
        "SELECT video, time_ms, object_box.number, label, round(score::numeric, 3), x1, y1, x2, y2"
        " FROM object_box JOIN dedup_frame USING (video, time_ms) WHERE kept"
    ),
    "dead": "SELECT stage, key, split_part(error, ':', 1) FROM item WHERE state = 'dead'",
}


def results(db: Connection) -> dict[str, list[Any]]:
    return {
        name: sorted(str(tuple(row.values())) for row in db.execute(query).fetchall())
        for name, query in RESULTS.items()
    }


def put_up(site: Site, count: int) -> list[str]:
    """Videos, some of them twice under other names, one that is missing and one that is none."""
    bodies: list[bytes] = []
    for number in range(count):
        again = number % 5 == 4
        bodies.append(bodies[number - 3] if again else make_video(seconds=1.5, shade=number * 11))
    urls = [site.add(f"/{number}.mp4", body) for number, body in enumerate(bodies)]
    return [*urls, f"{site.url}/missing.mp4", site.add("/page.mp4", b"<!doctype html><p>Log in")]


def chaos_config(output_dir: Path, urls: list[str]) -> AppConfig:
    breaker = {"pause_s": 0.3, "max_pause_s": 1, "max_blocks": 10_000}
    limits = {"min_duration_s": None, "retries": 0, "socket_timeout_s": 0.5}
    patience = {"max_attempts": 1000, "backoff_s": 0.1, "max_backoff_s": 0.5}
    queue = {"lease_s": 2, "heartbeat_s": 0.4, "batch_size": 3, **patience}
    return Pipeline.config_in(
        output_dir,
        urls=urls,
        download={**limits, "breaker": breaker},
        queue=queue,
        worker={"pause_s": 0.2, "shutdown_grace_s": 1, "stalled_after_s": 60},
        **settings(),
    )


@pytest.fixture
def postgres(server: str) -> Iterator[Postgres]:
    running = Postgres()
    yield running
    running.close()


def survive(
    seconds: float,
    videos: int,
    *,
    pipeline: Pipeline,
    site: Site,
    postgres: Postgres,
    directory: Path,
    loki: RealLoki | None = None,
    speed: float = SPEED,
) -> None:
    urls = put_up(site, videos)
    pipeline.run(chaos_config(pipeline.root, urls))
    expected = results(pipeline.db)
    assert len(expected["dead"]) == 2
    set_speed(site, speed)
    output = directory / "shared"
    output.mkdir()
    config = chaos_config(output, urls)
    with connect(postgres.url, name="test") as connection:
        migrate(connection)
        seed(connection, config)
    chaos = Chaos(config, postgres, site, directory, seed=round(seconds), loki=loki)
    try:
        chaos.wait_until_all_started()
        chaos.rage(seconds)
        chaos.assert_alive()
        with connect(postgres.url, name="test") as db:
            print(f"work left after the faults: {unfinished(db)}")
            set_speed(site, SPEED)
            wait_for_the_end(db)
            # What a site refuses for good while it is ill, somebody tries again when it is well.
            again = retry(db, config.project, None)
            wait_for_the_end(db)
            chaos.close()
            vain = len(expected["dead"])
            print(f"faults: {dict(chaos.counts)}; {again} dead letters tried again, {vain} of them in vain")
            print("models: fakes that see brightness; everything around them is real")
            if loki is not None:
                check_logs(loki, chaos)
            check(db, Store(output, mount=None), expected, downloads=len(urls))
    finally:
        chaos.kill()


def set_speed(site: Site, speed: float) -> None:
    for page in site.pages.values():
        page.speed = speed


def unfinished(db: Connection) -> dict[str, int]:
    rows = db.execute(
        "SELECT stage, count(*) AS n FROM item WHERE state IN ('ready', 'leased') GROUP BY stage"
    )
    return {row["stage"]: row["n"] for row in rows.fetchall()}


def wait_for_the_end(db: Connection) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := db.execute(
        "SELECT stage, key, state, attempts, error FROM item WHERE state IN ('ready', 'leased')"
    ).fetchall():
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def check(db: Connection, store: Store, expected: dict[str, list[Any]], *, downloads: int) -> None:
    assert results(db) == expected
    twice = "SELECT stage, key, params FROM item GROUP BY stage, key, params HAVING count(*) > 1"
    assert db.execute(twice).fetchall() == []
    ended = db.execute(
        "SELECT count(*) AS n FROM item WHERE stage = 'search' AND state IN ('done', 'dead')"
    ).fetchone()
    assert ended == {"n": downloads}
    sweep(db, store)
    assert [path for path in (store.root / "tmp").rglob("*") if path.is_file()] == []
    collector = OrphanCollector(store, min_age_s=0, clocks_s=0)
    assert [collector.collect(db, tick=lambda: None) for _ in range(2)] == [0, 0]
    on_disk = {path.stem for path in (store.root / "videos").rglob("*") if path.is_file()}
    assert on_disk == {row["sha256"] for row in db.execute("SELECT sha256 FROM video").fetchall()}
    cut = {path.parent.parent.name: 0 for path in (store.root / "frames").rglob("*.jpg")}
    for path in (store.root / "frames").rglob("*.jpg"):
        cut[path.parent.parent.name] += 1
    assert cut == {row["video"]: row["frames"] for row in db.execute("SELECT * FROM frameset").fetchall()}


def check_logs(loki: RealLoki, chaos: Chaos) -> None:
    """Look for what was logged while Loki was away; some workers' clocks are an hour behind."""

    def lines(start: float, end: float) -> int:
        return sum(
            len(loki.lines('{application="data_miner"}', start=start - late, end=end - late))
            for late in (0, HOUR_S)
        )

    went, came = chaos.loki_away
    meanwhile, after = lines(went, came - 5), lines(came, time.time())
    print(
        f"Loki: away for {came - went:.0f} s, {meanwhile} lines of that time and {after} later ones arrived"
    )
    assert meanwhile
    assert after


def test_a_pipeline_survives_one_fault_of_each_kind(
    pipeline: Pipeline, site: Site, postgres: Postgres, tmp_path: Path
) -> None:
    survive(1, 6, pipeline=pipeline, site=site, postgres=postgres, directory=tmp_path)


@pytest.mark.soak
def test_a_pipeline_survives_five_minutes_of_faults(
    pipeline: Pipeline, site: Site, postgres: Postgres, tmp_path: Path
) -> None:
    directory = tmp_path / "loki"
    directory.mkdir()
    loki = RealLoki(loki_program(directory), directory)
    loki.start()
    try:
        survive(
            300,
            120,
            pipeline=pipeline,
            site=site,
            postgres=postgres,
            directory=tmp_path,
            loki=loki,
            speed=LONG_SPEED,
        )
    finally:
        loki.stop()
