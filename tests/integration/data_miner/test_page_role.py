"""The role that the web page has in the database: what it needs is tried by all tests of the page."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from data_miner.db.connect import Connection, connect
from data_miner.db.page_role import make_page_role
from data_miner.page.names import ROLE, ROLE_PASSWORD
from data_miner.store import Store
from data_miner.workers.monitor import Monitor
from data_miner.workers.process import Process

from .factories import add_items, make_config


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO pause (project, stage) VALUES ('p', 'download')",
        "DELETE FROM task",
        "UPDATE task SET payload = '{}'",
        "SELECT finish(gen_random_uuid(), '{1}', '{1}', NULL, NULL, NULL)",
        "SELECT enqueue('{p}', '{download}', '{key}', '{{}}', '{h}', '{{}}', '{x.org}', '{0}')",
        "TRUNCATE finished",
        "DROP TABLE task",
        "CREATE TABLE mine (id integer)",
        "ALTER ROLE data_miner_page SUPERUSER",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
def test_it_can_change_nothing_but_what_a_retry_does(database: str, db: Connection, statement: str) -> None:
    add_items(db, 1)
    make_page_role(db, "one")
    with (
        connect(make_conninfo(database, user=ROLE), name="test") as page,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        page.execute(statement.encode())


def test_making_it_again_changes_its_password(db: Connection) -> None:
    def hashed() -> str:
        row = db.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ROLE]).fetchone()
        assert row
        return str(row["rolpassword"])

    make_page_role(db, "one")
    before = hashed()
    make_page_role(db, "two")
    assert before.startswith("SCRAM-SHA-256$")
    assert hashed() != before


def test_nobody_else_may_retry_also_after_a_restore(db: Connection) -> None:
    db.execute("GRANT EXECUTE ON FUNCTION retry TO PUBLIC")
    make_page_role(db, "password")
    ask = "SELECT has_function_privilege('pg_monitor', 'retry(text, text, bigint[])', 'EXECUTE') AS allowed"
    assert db.execute(ask).fetchone() == {"allowed": False}


def test_the_monitor_makes_it(
    database: str, db: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROLE_PASSWORD, "from the Secret")
    store = Store(tmp_path, mount=None)
    process = Process(config=make_config(), database_url=database, store=store, name="monitor", node="here")
    granted = "SELECT has_table_privilege(%s, 'item', 'SELECT') AS granted"
    make_page_role(db, "another")  # so that there is one to ask about
    db.execute(f"REVOKE ALL ON item FROM {ROLE}")
    monkeypatch.setattr(process, "pause", lambda _: process.request_stop())
    Monitor(process).run()
    assert db.execute(granted, [ROLE]).fetchone() == {"granted": True}
