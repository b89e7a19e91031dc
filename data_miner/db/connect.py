"""Connecting to Postgres, and telling "the database is away" from every other error."""

from __future__ import annotations

import os
import time
from typing import Any, TypeAlias

import psycopg
from psycopg import conninfo
from psycopg.rows import DictRow, dict_row

from data_miner.errors import ConfigError, MinerError, Problem

Connection: TypeAlias = psycopg.Connection[DictRow]

#: a statement of ours that takes longer than this hangs
STATEMENT_TIMEOUT_MS = 60_000

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    # Postgres would compile queries of milliseconds, which takes longer than they do
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC -c jit=off",
}


class DatabaseAwayError(MinerError):
    """Postgres cannot be reached, or the connection broke."""


def database_url() -> str:
    """Return DATABASE_URL; the password comes from PGPASSWORD, which the driver reads itself.

    Raises:
        ConfigError: it is not set or not a connection string.
    """
    url = os.environ.get("DATABASE_URL", "")
    try:
        if not url:
            raise ValueError("is not set")
        conninfo.conninfo_to_dict(url)
    except (ValueError, psycopg.Error) as error:
        reason = "is not set" if not url else "is not a connection string"
        hint = "export DATABASE_URL=postgresql://postgres@HOST:5432/data_miner and PGPASSWORD"
        raise ConfigError(
            [Problem(file="environment", key="DATABASE_URL", message=reason, hint=hint)]
        ) from error
    return url


def connect(url: str, *, name: str) -> Connection:
    """Open a connection in autocommit mode; transactions are explicit.

    Args:
        url: connection string.
        name: shown in pg_stat_activity.

    Raises:
        DatabaseAwayError: the server cannot be reached or refuses us.
    """
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            row_factory=dict_row,
            application_name=f"data-miner {name}"[:63],
            **_DEFAULTS,
        )
    except psycopg.OperationalError as error:
        raise DatabaseAwayError(f"database {_where(url)}: {first_line(error)}") from error


def connect_patiently(url: str, *, name: str, wait_s: float) -> Connection:
    """Open a connection, trying again each second for up to ``wait_s`` seconds.

    Raises:
        DatabaseAwayError: the server could not be reached in that time.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return connect(url, name=name)
        except DatabaseAwayError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(1)


def first_line(error: Exception) -> str:
    """Return the first line of an error's text: the rest is detail for a log, not for a person."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _where(url: str) -> str:
    parts = conninfo.conninfo_to_dict(url)
    return f"{parts.get('host', 'local')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
