"""A connection that is opened when needed and dropped when it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg

from data_miner.db.connect import Connection, DatabaseAwayError, connect, first_line
from data_miner.db.migrate import check_schema

T = TypeVar("T")


class Session:
    """One connection to a database with a schema that we know. For one thread.

    Args:
        url: connection string.
        name: shown in pg_stat_activity.
    """

    def __init__(self, url: str, *, name: str) -> None:
        self.url = url
        self.name = name
        self._connection: Connection | None = None

    def call(self, operation: Callable[[Connection], T]) -> T:
        """Run an operation on the connection.

        Raises:
            DatabaseAwayError: the server cannot be reached, is full, or went away during the operation;
                whether the operation took effect is then not known.
            SchemaError: the schema does not fit this program.
        """
        try:
            return operation(self._open())
        except psycopg.errors.ProgramLimitExceeded:
            raise  # such as a key that is too long for an index: waiting does not help
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.close()
            raise DatabaseAwayError(f"database: {first_line(error)}") from error

    def close(self) -> None:
        """Drop the connection; the next call opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            connection = connect(self.url, name=self.name)
            try:
                check_schema(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection
