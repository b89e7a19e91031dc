"""A worker as a process, with models that see brightness, and a clock and a mount that may be wrong."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from data_miner import mount
from data_miner.config import load_resolved
from data_miner.workers.base import Worker
from data_miner.workers.monitor import Monitor
from data_miner.workers.process import from_environment, running
from data_miner.workers.registry import MONITOR, WORKERS
from tests.integration.data_miner.fake_models import FakeModels

#: environment variables
CLOCK_OFFSET_S, MOUNTINFO = "TEST_CLOCK_OFFSET_S", "TEST_MOUNTINFO"


def main(name: str) -> None:
    offset_s, now = float(os.environ[CLOCK_OFFSET_S]), time.time
    time.time = lambda: now() + offset_s
    mount.MOUNTINFO = Path(os.environ[MOUNTINFO])
    process = from_environment(load_resolved(Path(os.environ["DATA_MINER_CONFIG"])))
    process.models = FakeModels()
    with running(process):
        worker = Monitor(process) if name == MONITOR else Worker(process, name, WORKERS[name])
        worker.run()


if __name__ == "__main__":
    main(sys.argv[1])
