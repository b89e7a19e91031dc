"""``python -m data_miner.local.child WORKER...``: a worker of a local run, which ends when its stdin does.

That reaches it in containers too, and also when whoever started it was killed.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from data_miner.config import load_resolved
from data_miner.workers.base import Worker
from data_miner.workers.process import Process, from_environment, running
from data_miner.workers.registry import WORKERS


def main(config: Path, name: str, workers: list[str]) -> None:
    """Work on the stages of these workers, the first ones first."""
    process = from_environment(load_resolved(config))
    with running(process):
        threading.Thread(target=_stop_at_end_of_input, args=[process], daemon=True).start()
        Worker(process, name, [pair for worker in workers for pair in WORKERS[worker]]).run()


def _stop_at_end_of_input(process: Process) -> None:
    while sys.stdin.buffer.read(1):
        pass
    process.request_stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
