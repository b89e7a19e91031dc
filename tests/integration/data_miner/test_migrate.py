"""Schemas that are older or newer than the program, and several programs that migrate at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from data_miner.db.connect import Connection, connect
from data_miner.db.migrate import SchemaError, SchemaMissingError, migrate, migrations, schema_version
from data_miner.db.session import Session

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
