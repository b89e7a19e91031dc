"""Schemas that are older or newer than the program, and several programs that migrate at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from data_miner.db.connect import Connection, connect
from data_miner.db.migrate import SchemaError, SchemaMissingError, migrate, migrations, schema_version
from data_miner.db.session import Session
from data_miner.queue.items import Outcome
from data_miner.queue.leases import complete, reap, retry

from .factories import expire, states, take

OLD_QUEUE = """
INSERT INTO project (name, config, config_hash) VALUES ('p', '{}', 'h');
INSERT INTO item (project, stage, key, params, params_hash, site)
    SELECT 'p', 'download', 'ready ' || lpad(n::text, 3, '0'), '{}', '', 'x.org'
    FROM generate_series(1, 300) AS n;
INSERT INTO item (project, stage, key, params, params_hash, site, state, attempts, error, finished_at) VALUES
    ('p', 'download', 'tried', '{"a": 1}', '', NULL, 'ready', 2, 'HTTP 500', NULL),
    ('p', 'download', 'done', '{}', '', NULL, 'done', 1, NULL, now()),
    ('p', 'extract', 'skipped', '{}', '', 'x.org', 'skipped', 2, 'too long', now()),
    ('p', 'extract', 'dead', '{}', '', NULL, 'dead', 5, 'HTTP 404', now());
INSERT INTO item (project, stage, key, params, params_hash, state, attempts, lease_token, lease_until)
    SELECT 'p', 'download', key, '{}', '', 'leased', 1, gen_random_uuid(), now() + interval '1 h'
    FROM unnest(ARRAY['held', 'held too']) AS key;
UPDATE item SET worker = 'w', node = 'n' WHERE attempts > 0;
UPDATE item SET lease_token = (SELECT lease_token FROM item WHERE key = 'held'), ready_at = '2026-01-01'
    WHERE key LIKE 'held%';
UPDATE item SET priority = 7, blocks = 2, payload = '{"url": "u"}' WHERE key = 'tried';
UPDATE item SET result = '{"title": "t"}' WHERE key = 'done';
"""

NEWER = "database schema 999 is newer than this program's"


def test_a_schema_newer_than_the_program_is_refused_with_what_to_do(database: str, db: Connection) -> None:
    db.execute("INSERT INTO schema_version (version, name) VALUES (999, 'from the future')")
    with pytest.raises(SchemaError, match=NEWER) as refusal:
        Session(database, name="test").call(schema_version)
    assert "deploy the program that belongs to it" in str(refusal.value)
    with pytest.raises(SchemaError, match=NEWER):
        migrate(db)


def test_a_schema_that_is_not_there_yet_is_waited_for(empty_database: str) -> None:
    with pytest.raises(SchemaMissingError, match="run `data-miner db migrate`"):
        Session(empty_database, name="test").call(schema_version)


def test_of_programs_that_migrate_at_once_one_does_it(empty_database: str) -> None:
    def run(_: int) -> int:
        with connect(empty_database, name="test") as connection:
            return len(migrate(connection))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [0, 0, 0, len(migrations())]


def test_a_queue_of_an_older_version_goes_on_where_it_stood(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(empty_database, name="test") as db:
        with monkeypatch.context() as old:
            old.setattr("data_miner.db.migrate.migrations", lambda: migrations()[:5])
            migrate(db)
        db.execute(OLD_QUEUE)

        def rows() -> list[dict[str, Any]]:
            return db.execute("SELECT * FROM item ORDER BY id").fetchall()

        before = rows()
        migrate(db)
        columns = set(before[0])
        after = [{key: value for key, value in row.items() if key in columns} for row in rows()]
        assert after == [dict(row) for row in before]
        assert [item.key for item in take(db, 2)] == ["tried", "ready 001"]
        assert len(take(db, 999)) == 299
        expire(db)
        assert len(reap(db, max_attempts=2)) == 303
        assert {key for key, state in states(db).items() if state == "dead"} == {"dead", "tried"}
        assert retry(db, "p") == 2
        for items in iter(lambda: take(db, 999), []):
            complete(db, [(item, Outcome()) for item in items])
        assert set(states(db).values()) == {"done", "ready", "skipped"}
