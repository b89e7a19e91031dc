"""A project that is worked off within the test, and the site that it mines."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_miner.config import AppConfig
from data_miner.db.connect import Connection
from data_miner.models.provider import Models
from data_miner.store import Store
from data_miner.workers.base import Worker
from data_miner.workers.monitor import seed
from data_miner.workers.process import Process
from data_miner.workers.registry import WORKERS

from .factories import make_config
from .fake_models import FakeModels


@dataclass(frozen=True, kw_only=True)
class Mined:
    """What a project came to that was worked off once, for all tests that need one."""

    #: the name of a database to copy
    template: str
    #: its output directory, to copy too
    root: Path
    #: they are still to be had
    urls: list[str]


class Pipeline:
    """A project whose queue is worked off by all workers, one item at a time."""

    def __init__(self, database: str, db: Connection, root: Path) -> None:
        self.database, self.db, self.root = database, db, root
        self.models: Models = FakeModels()

    def config(self, **changes: Any) -> AppConfig:
        return self.config_in(self.root, **changes)

    @staticmethod
    def config_in(root: Path, **changes: Any) -> AppConfig:
        return make_config(**{"output_dir": str(root), "download": {"min_duration_s": None}, **changes})

    def run(self, config: AppConfig, *, until: str | None = None, replicas: int = 1) -> None:
        """Seed, and work until an item fulfils a condition, or until nothing is ready or leased."""
        seed(self.db, config)
        kinds = [name for name in WORKERS for _ in range(replicas)]
        processes = [self._process(config, f"{name}-{number}") for number, name in enumerate(kinds)]
        threads = [
            threading.Thread(target=Worker(process, name, WORKERS[name]).run, daemon=True)
            for name, process in zip(kinds, processes, strict=True)
        ]
        for thread in threads:
            thread.start()
        gate = threading.Event()
        while not self._count(until) if until else self._count("state IN ('ready', 'leased')"):
            assert all(thread.is_alive() for thread in threads)
            gate.wait(0.02)
        for process in processes:
            process.request_stop()
        for thread in threads:
            thread.join(10)

    def items(self) -> dict[str, tuple[str, str | None]]:
        rows = self.db.execute("SELECT stage, key, state, error FROM item").fetchall()
        return {f"{row['stage']} {row['key']}": (row["state"], row["error"]) for row in rows}

    def outcome(self, url: str) -> tuple[str, str | None]:
        return self.items()[f"download url:{url}"]

    def files(self, folder: str) -> list[Path]:
        return sorted(path for path in (self.root / folder).rglob("*") if path.is_file())

    def _process(self, config: AppConfig, name: str) -> Process:
        store = Store(self.root, mount=None)
        process = Process(config=config, database_url=self.database, store=store, name=name, node="here")
        process.models = self.models
        return process

    def _count(self, condition: str) -> int:
        row = self.db.execute(f"SELECT count(*) AS n FROM item WHERE {condition}").fetchone()  # noqa: S608
        return int(row["n"]) if row else 0
