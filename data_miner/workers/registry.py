"""Which workers there are, and which stages each of them works on."""

from __future__ import annotations

from collections.abc import Sequence

from data_miner.config import AppConfig, Stage
from data_miner.errors import MinerError
from data_miner.workers import dedup, detect, download, extract, filter, search  # noqa: A004 - a stage's name
from data_miner.workers.base import Worker
from data_miner.workers.job import StageFunction
from data_miner.workers.monitor import Monitor
from data_miner.workers.process import from_environment, running

#: a worker's stages, the most urgent first
WORKERS: dict[str, Sequence[tuple[Stage, StageFunction]]] = {
    "download": ((Stage.SEARCH, search.run), (Stage.DOWNLOAD, download.run)),
    "extract": ((Stage.EXTRACT, extract.run),),
    "filter": ((Stage.FILTER, filter.run),),
    "dedup": ((Stage.DEDUP, dedup.run),),
    "detect": ((Stage.DETECT, detect.run),),
}
MONITOR = "monitor"


def run_worker(name: str, config: AppConfig) -> None:
    """Run a worker until it is asked to stop.

    Raises:
        MinerError: there is no such worker, or it cannot start.
    """
    if name != MONITOR and name not in WORKERS:
        known = ", ".join(sorted([*WORKERS, MONITOR]))
        planned = " (a stage that this version does not have yet)" if name in set(Stage) else ""
        raise MinerError(f"no worker `{name}`{planned}; there are: {known}")
    process = from_environment(config)
    with running(process):
        worker = Monitor(process) if name == MONITOR else Worker(process, name, WORKERS[name])
        worker.run()
