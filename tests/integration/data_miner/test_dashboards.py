"""The dashboards' and alert rules' queries, on a database with the current schema and on a real Loki."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import conninfo
from psycopg.types.json import Jsonb

from data_miner.config.model import LoggingConfig
from data_miner.db.connect import Connection
from data_miner.db.projects import report_worker
from data_miner.logs import JsonFormatter
from data_miner.loki import LokiHandler
from data_miner.queue.items import Outcome
from data_miner.queue.leases import bury, complete, fail
from data_miner.workers import surroundings
from lab.grafana_checker.check import Report, run
from lab.grafana_checker.provisioning import DataSource, Provisioned, load
from miner_cluster import grafana

from .factories import add_items, let_wait_until, make_config, take
from .loki import RealLoki, loki_program


@pytest.fixture
def provisioned(tmp_path: Path) -> Provisioned:
    """What Grafana would be provisioned with."""
    provider = grafana.dashboard_provider()
    provider["providers"][0]["options"]["path"] = str(grafana.DASHBOARDS)
    for name, text in {
        "dashboards/dashboards.yaml": yaml.safe_dump(provider),
        "alerting/alerts.json": grafana.ALERTS.read_text(),
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return load(tmp_path, {})


def ask(provisioned: Provisioned, source: DataSource) -> Report:
    """Run all queries of one data source."""
    queries = [query for query in provisioned.queries if query.source == source.uid]
    assert queries
    return run(Provisioned(sources={source.uid: source}, queries=queries, problems=[]))


@pytest.fixture
def postgres(database: str) -> DataSource:
    """The test's database as a data source."""
    parts = conninfo.conninfo_to_dict(database)
    return DataSource(
        uid=grafana.POSTGRES_UID,
        kind="postgres",
        url=f"{parts['host']}:{parts.get('port', 5432)}",
        user=str(parts["user"]),
        database=str(parts["dbname"]),
        sslmode="disable",
    )


def test_every_query_of_the_database_fits_its_schema(provisioned: Provisioned, postgres: DataSource) -> None:
    failures = ask(provisioned, postgres).failures
    # In a database without a project a few tables have no rows.
    assert [failure for failure in failures if not failure.endswith("the result is empty")] == []


def test_a_database_at_work_fills_every_panel(
    provisioned: Provisioned, postgres: DataSource, db: Connection
) -> None:
    add_items(db, 3)
    done, lost, held = take(db, 3)
    complete(db, [(done, Outcome(result={}))])
    bury(db, lost, "HTTP 404")
    report_worker(db, name="w", stage="download", node="n", item_id=held.id)
    fail(db, held, "HTTP 500", queue=make_config().queue)
    db.execute("INSERT INTO video (sha256, path, size_bytes) VALUES ('a', 'a.mp4', 1)")
    report = ask(provisioned, postgres)
    assert report.failures == []
    assert set(report.empty) == {"Errors, Why sites refuse us", "Pipeline, Objects by label"}


def panel(title: str) -> str:
    """The query of a panel of the pipeline's dashboard."""
    board = json.loads((grafana.DASHBOARDS / "pipeline.json").read_text())
    (found,) = (one["targets"] for one in board["panels"] if one["title"] == title)
    return str(found[0]["rawSql"])


def test_what_dedup_dropped_counts_neither_as_a_frame_nor_by_its_objects(db: Connection) -> None:
    add_items(db, 1)
    stages = ["search", "download", "extract", "filter", "dedup", "detect"]
    db.execute("UPDATE project SET config = jsonb_set(config, '{stages}', %s)", [Jsonb(stages)])
    db.execute("INSERT INTO video (sha256, path, size_bytes) VALUES ('v', 'v.mp4', 1)")
    db.execute(
        "INSERT INTO dedup_frame (project, params_hash, video, time_ms, frames_hash, pixels, size_bytes, "
        "kept) "
        "SELECT 'p', 'd', 'v', time_ms, 'f', 1, 1, time_ms = 0 FROM (VALUES (0), (1), (2)) AS new (time_ms)"
    )
    db.execute(
        "INSERT INTO object_box (project, params_hash, video, time_ms, number, label, score, x1, y1, x2, y2) "
        "SELECT 'p', 'o', 'v', time_ms, 0, 'door', 0.5, 0, 0, 1, 1 FROM (VALUES (0), (1)) AS new (time_ms)"
    )
    assert [row["frames"] for row in db.execute(panel("Frames kept")).fetchall()] == [1]
    assert [row["objects"] for row in db.execute(panel("Objects by label")).fetchall()] == [1]
    (frames,) = db.execute(panel("Frames, with all parameters there were")).fetchall()
    assert (frames["kept"], frames["objects"]) == (1, 1)


def test_rules_fire_on_dead_letters_and_on_queues_that_nobody_works_on(
    provisioned: Provisioned, postgres: DataSource, db: Connection
) -> None:
    def firing() -> set[str]:
        return {one.query.title for one in ask(provisioned, postgres).outcomes if one.firing}

    add_items(db, 2)
    assert firing() == set()
    let_wait_until(db, "now() - interval '20 minutes'")
    assert firing() == {"A queue does not move"}
    (item,) = take(db)
    assert firing() == set()
    bury(db, item, "HTTP 404")
    assert firing() == {"Items were given up"}


def test_the_reader_can_look_at_everything_and_change_nothing(database: str, server: str) -> None:
    """As the init container of Grafana makes it."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE ROLE reader LOGIN")
        admin.execute("ALTER ROLE reader SET default_transaction_read_only = on")
        admin.execute("GRANT pg_read_all_data TO reader")
    try:
        with psycopg.connect(database, user="reader", autocommit=True) as reader:
            reader.execute("SELECT * FROM item")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader.execute("DELETE FROM task")
            reader.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("DELETE FROM task")
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("DROP ROLE reader")


@pytest.fixture
def loki(tmp_path: Path) -> Iterator[RealLoki]:
    """A Loki that runs."""
    directory = tmp_path / "loki"
    directory.mkdir()
    server = RealLoki(loki_program(directory), directory)
    server.start()
    yield server
    server.stop()


def test_a_pipeline_at_work_fills_every_panel_of_the_logs(
    provisioned: Provisioned, loki: RealLoki, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LoggingConfig(level="INFO", loki_batch_size=50, loki_queue_size=1000, loki_timeout_s=5)
    handler = LokiHandler(loki.url, worker="w", config=config)
    handler.setFormatter(JsonFormatter("w"))

    def log(name: str, level: int, message: str, **extra: Any) -> None:
        logger = logging.Logger(name)
        logger.addHandler(handler)
        logger.log(level, message, extra=extra)

    measuring = logging.Logger("data_miner.workers.surroundings", logging.INFO)
    measuring.addHandler(handler)
    monkeypatch.setattr(surroundings, "logger", measuring)
    surroundings.log_disk("node", Path("/"), node="n")
    surroundings.log_disk("shared", Path("/"), node="")
    log("data_miner.workers.surroundings", logging.INFO, "Certificate measured",
        action="certificate_measured", certificate="api", days_left=300.5)  # fmt: skip
    base = "data_miner.workers.base"
    log(base, logging.INFO, "Item finished", action="item_finished", stage="download", elapsed_s=1.5)
    log(base, logging.WARNING, "Item failed", action="item_failed")
    log(base, logging.ERROR, "Item failed", action="item_failed")
    handler.close()
    report = ask(provisioned, DataSource(uid=grafana.LOKI_UID, kind="loki", url=loki.url))
    assert report.failures == []
    assert report.empty == []
    assert not [one for one in report.outcomes if one.firing and "disk" not in one.query.title]
