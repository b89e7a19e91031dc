"""Logs in a real Loki: that the documented queries find them, and that they survive its absence."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import pytest

from data_miner.config.model import LoggingConfig
from data_miner.logs import JsonFormatter
from data_miner.loki import LokiHandler

from .loki import PATIENCE_S, RealLoki, loki_program

CONFIG = LoggingConfig(level="INFO", loki_batch_size=50, loki_queue_size=1000, loki_timeout_s=5)


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLoki]:
    """A Loki that runs."""
    directory = tmp_path_factory.mktemp("loki")
    server = RealLoki(loki_program(directory), directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def handler(loki: RealLoki) -> Iterator[LokiHandler]:
    """A handler that ships to it."""
    made = LokiHandler(loki.url, worker="download-worker-0", config=CONFIG)
    made.setFormatter(JsonFormatter("download-worker-0"))
    yield made
    made.close()


def log(handler: LokiHandler, name: str) -> logging.Logger:
    logger = logging.Logger(name, logging.INFO)
    logger.addHandler(handler)
    return logger


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_the_documented_queries_find_what_was_logged(loki: RealLoki, handler: LokiHandler) -> None:
    log(handler, "data_miner.workers.base").info("Worker started", extra={"action": "worker_started"})
    log(handler, "data_miner.workers.download").error("Item failed", extra={"reason": "HTTP 404"})
    handler.close()
    assert len(loki.lines('{application="data_miner"}')) == 2
    (failed,) = loki.lines('{application="data_miner", severity="error"}')
    assert failed["reason"] == "HTTP 404"
    assert len(loki.lines('{application="data_miner"} |~ "download"')) == 2
    (started,) = loki.lines('{logger="data_miner.workers.base"}')
    assert started["message"] == "Worker started"
    assert len(loki.lines('{worker="download-worker-0"}')) == 2


def test_nothing_is_lost_while_loki_restarts(loki: RealLoki, handler: LokiHandler) -> None:
    logger = log(handler, "tests.restart")
    for number in range(100):
        logger.info("Before", extra={"number": number})
    until(lambda: handler.sent == 100, "what was logged before does not arrive")
    loki.stop()
    for number in range(100, 300):
        logger.info("Meanwhile", extra={"number": number})
    loki.start()
    for number in range(300, 400):
        logger.info("After", extra={"number": number})
    until(lambda: handler.sent == 400, "what was logged meanwhile does not arrive")
    found = loki.lines('{logger="tests.restart"}')
    assert [line["number"] for line in found] == list(range(400))
    assert handler.dropped == 0
