"""What every long-running process has: a stop signal, a pulse, metrics, and a name."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from data_miner.config import AppConfig
from data_miner.db.connect import database_url
from data_miner.health import HealthServer, Pulse
from data_miner.logs import set_up_logging
from data_miner.loki import LokiHandler
from data_miner.metrics import Metrics
from data_miner.models.provider import LoadedModels, Models
from data_miner.store import Store


@dataclass(kw_only=True)
class Process:
    """The surroundings of one worker process."""

    config: AppConfig
    database_url: str
    store: Store
    #: what it is called in logs, in the worker table and in leases
    name: str
    node: str
    metrics: Metrics = field(default_factory=Metrics)
    stop: threading.Event = field(default_factory=threading.Event)
    #: loaded when a stage first asks for them
    models: Models = field(init=False)
    _stop_at: float | None = None

    def __post_init__(self) -> None:
        """Start the clock."""
        self.pulse = Pulse(stalled_after_s=self.config.worker.stalled_after_s)
        self.models = LoadedModels(self.config, self.pulse.beat)

    def request_stop(self) -> None:
        """Ask the loop to end; the current item may go on for the grace period."""
        if self._stop_at is None:
            self._stop_at = time.monotonic()
        self.stop.set()

    @property
    def grace_is_over(self) -> bool:
        """Whether the current item has to be given back now."""
        grace = self.config.worker.shutdown_grace_s
        return self._stop_at is not None and time.monotonic() - self._stop_at >= grace

    def pause(self, seconds: float) -> None:
        """Wait, plus or minus a fifth so that workers do not march in step, or until asked to stop."""
        self.pulse.beat()
        self.stop.wait(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is not a secret
        self.pulse.beat()


def from_environment(config: AppConfig) -> Process:
    """Make the surroundings from what the pod's environment says.

    Raises:
        ConfigError: DATABASE_URL is missing or wrong.
    """
    mount = os.environ.get("DATA_MINER_SHARED_MOUNT")
    host = socket.gethostname()
    return Process(
        config=config,
        database_url=database_url(),
        store=Store(config.output_dir, mount=Path(mount) if mount else None),
        name=os.environ.get("POD_NAME") or f"{host}-{os.getpid()}",
        node=os.environ.get("NODE_NAME") or host,
    )


@contextmanager
def running(process: Process) -> Iterator[HealthServer]:
    """Set up logs, signals and the health server, and take them down at the end."""
    loki = set_up_logging(
        process.config.logging, worker=process.name, loki_url=os.environ.get("LOKI_URL") or None
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.request_stop())
    health = HealthServer(
        process.config.worker.port, pulse=process.pulse, metrics=lambda: _render(process.metrics, loki)
    )
    try:
        with health:
            yield health
    finally:
        if loki is not None:
            loki.close()


def _render(metrics: Metrics, loki: LokiHandler | None) -> str:
    if loki is not None:
        for word, count, text in (
            ("sent", loki.sent, "Log lines that Loki took."),
            ("dropped", loki.dropped, "Log lines that Loki did not get."),
        ):
            name = f"data_miner_log_lines_{word}_total"
            metrics.declare(name, "counter", text)
            metrics.replace(name, [({}, count)])
    return metrics.render()
