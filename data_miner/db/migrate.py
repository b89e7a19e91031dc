"""Numbered migrations, applied under an advisory lock, never edited once shipped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, LiteralString

from data_miner.errors import MinerError

if TYPE_CHECKING:  # the controller asks in each run which migrations there are, and needs no driver for that
    from data_miner.db.connect import Connection

#: any number, the same in every process that migrates
MIGRATION_LOCK = 7_236_001

_FILE = re.compile(r"^(\d{4})_(\w+)\.sql$")


class SchemaError(MinerError):
    """The database's schema does not fit this program."""


class SchemaMissingError(SchemaError):
    """The schema is older than the program: migrations have not run yet."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: LiteralString


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the program's migrations in order.

    Raises:
        SchemaError: a number is missing or used twice.
    """
    found = []
    for file in resources.files("data_miner.db").joinpath("migrations").iterdir():
        if match := _FILE.match(file.name):
            sql = file.read_text("utf-8")
            found.append(Migration(version=int(match[1]), name=match[2], sql=sql))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise SchemaError("migrations are not numbered 0001, 0002, … without gaps")
    return tuple(found)


def migrate(connection: Connection) -> list[Migration]:
    """Bring the schema up to the program's version and return what was applied.

    Several processes may call this at once: one works, the others wait and find nothing to do.

    Raises:
        SchemaError: the schema is newer than the program.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version"
            " (version integer PRIMARY KEY, name text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        current = schema_version(connection)
        _refuse_newer(current)
        pending = [migration for migration in migrations() if migration.version > current]
        for migration in pending:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_version (version, name) VALUES (%s, %s)",
                [migration.version, migration.name],
            )
    return pending


def check_schema(connection: Connection) -> None:
    """Refuse to work on a schema that this program does not know.

    Raises:
        SchemaMissingError: migrations have not run yet; waiting helps.
        SchemaError: the schema is newer than the program.
    """
    current = schema_version(connection)
    _refuse_newer(current)
    if current < len(migrations()):
        raise SchemaMissingError(
            f"database schema {current} is older than this program's {len(migrations())};"
            " run `data-miner db migrate`"
        )


def schema_version(connection: Connection) -> int:
    """Return the version of the database's schema, 0 for an empty database."""
    row = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL AS known").fetchone()
    if row is None or not row["known"]:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) AS version FROM schema_version").fetchone()
    return int(row["version"]) if row else 0


def _refuse_newer(current: int) -> None:
    if current > len(migrations()):
        raise SchemaError(
            f"database schema {current} is newer than this program's {len(migrations())};"
            " deploy the program that belongs to it, or a newer one"
        )
