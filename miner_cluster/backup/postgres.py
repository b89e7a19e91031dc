"""The database: a dump of one moment, and its way back, which replaces all of it at once or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.pods import Pod
from miner_cluster.manifest_item import DATABASE

FILE = "postgres/data_miner.dump"
#: written by processes as they start, also where nothing was ever mined
_NOT_CONTENT = {"schema_version", "worker"}
_RESTORING, _REPLACED = f"{DATABASE}_restoring", f"{DATABASE}_replaced"
#: open sessions are ended before databases change places; one that comes back at once is ended again
_ATTEMPTS = 5

_NAMES = {"current": DATABASE, "restoring": _RESTORING, "replaced": _REPLACED}
_EXCHANGE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (:'current', :'restoring');
BEGIN;
ALTER DATABASE :"current" RENAME TO :"replaced";
ALTER DATABASE :"restoring" RENAME TO :"current";
COMMIT;
"""
_SCHEMA = """
SELECT 'SELECT ''schema'', coalesce(max(version), 0) FROM schema_version'
WHERE to_regclass('public.schema_version') IS NOT NULL \\gexec
"""
_LOOK = """
SELECT 'server', current_setting('server_version_num')::int / 10000;
SELECT format('SELECT %L, count(*) FROM %I', relname, relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname \\gexec
"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A database: the server's major version, the schema's version, and how many rows each table has."""

    server: int
    schema: int
    rows: Mapping[str, int]

    @property
    def content(self) -> int:
        """How many rows somebody would miss."""
        return sum(count for table, count in self.rows.items() if table not in _NOT_CONTENT)


def look(pod: Pod) -> Facts:
    """Return what the database is now.

    Raises:
        BackupError: it does not answer.
    """
    found = _numbers(pod, _LOOK + _SCHEMA)
    return Facts(server=found.pop("server"), schema=found.pop("schema", 0), rows=found)


def schema(pod: Pod) -> int:
    """Return the version of the database's schema; 0 where it has none yet.

    Raises:
        BackupError: it does not answer.
    """
    return _numbers(pod, _SCHEMA).get("schema", 0)


def save(pod: Pod, backup: Path) -> Facts:
    """Dump the database into a backup, read the dump to its end, and return what the database was before.

    Raises:
        BackupError: a program fails, or the dump can't be read.
        OSError: a file can't be written.
    """
    facts = look(pod)
    path = backup / FILE
    pod.save(
        path,
        *("pg_dump", "--username=postgres", f"--dbname={DATABASE}", "--format=custom"),
        *("--no-owner", "--no-privileges"),
    )
    # What was cut off on the way is seen here, and not on the day on which it is needed.
    pod.load(path, "pg_restore", "--file=/dev/null")
    return facts


def refuse(saved: Mapping[str, int], now: Facts, *, known_schema: int, overwrite: bool) -> None:
    """Check that a dump can go into a database.

    Args:
        saved: ``server`` and ``schema`` of the database that was dumped.
        now: the database that is there.
        known_schema: the newest schema that this data-miner knows.
        overwrite: whether what is there may be lost.

    Raises:
        BackupError: it can't.
    """
    if saved["server"] > now.server:
        raise BackupError(
            f"The dump is of PostgreSQL {saved['server']}, and {now.server}, which is here, can't read it; "
            "set infrastructure.postgres.image in cluster_config.yaml to the newer one and run site.yml"
        )
    if saved["schema"] > known_schema:
        raise BackupError(
            f"The dump has schema {saved['schema']}, and this data-miner knows {known_schema}; "
            "check out the data-miner that made the backup, or a newer one"
        )
    if now.content and not overwrite:
        rows = ", ".join(f"{table} {count}" for table, count in sorted(now.rows.items()) if count)
        raise BackupError(
            f"The database is not empty ({rows}). Nothing was changed; to have it replaced: -e overwrite=true"
        )


def restore(pod: Pod, backup: Path) -> Facts:
    """Put a dump in the place of the database, and return what is there then.

    The dump becomes a database of its own first; when that is whole the two change names, in one transaction.

    Raises:
        BackupError: a program fails; the database is as it was.
        OSError: the dump can't be read.
    """
    for leftover in (_RESTORING, _REPLACED):
        _sql(pod, f"DROP DATABASE IF EXISTS {leftover} (FORCE)")
    _sql(pod, f"CREATE DATABASE {_RESTORING}")
    pod.load(
        backup / FILE,
        *("pg_restore", "--username=postgres", f"--dbname={_RESTORING}", "--exit-on-error"),
        *("--no-owner", "--no-privileges"),
    )
    pod.text(*_psql(_RESTORING), stdin="ANALYZE;")
    _swap(pod)
    _sql(pod, f"DROP DATABASE {_REPLACED} (FORCE)")
    return look(pod)


def _swap(pod: Pod) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            pod.text(
                *_psql("postgres"),
                *(f"--set={name}={value}" for name, value in _NAMES.items()),
                stdin=_EXCHANGE,
            )
        except BackupError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _numbers(pod: Pod, queries: str) -> dict[str, int]:
    """Return what queries of a name and a number found."""
    printed = pod.text(*_psql(DATABASE), stdin=queries)
    return {name: int(value) for name, _, value in (line.partition("\t") for line in printed.splitlines())}


def _sql(pod: Pod, statement: str) -> None:
    pod.text(*_psql("postgres"), stdin=f"{statement};")


def _psql(database: str) -> list[str]:
    return [
        *("psql", "--username=postgres", f"--dbname={database}", "--no-psqlrc", "--quiet", "--tuples-only"),
        *("--no-align", "--field-separator=\t", "--set=ON_ERROR_STOP=1"),
    ]
