"""Log shipping to Loki: bounded, in batches, and never in a worker's way.

Lines wait in a queue of fixed size for a thread that sends them. While Loki is away the thread tries again,
and the queue fills; what does not fit any more is dropped and counted. When Loki is back, what waited
is sent in the order in which it was logged.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from data_miner.config.model import LoggingConfig

PUSH_PATH = "/loki/api/v1/push"
APPLICATION = "data_miner"
#: longer lines are cut, so that a full queue has a size; Loki itself refuses lines above 256 KB
MAX_LINE = 16_384

_BATCH_WAIT_S = 1.0
_FIRST_RETRY_S = 0.5
_LAST_RETRY_S = 15.0
#: answers that mean "later"; any other refusal is about the lines themselves
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that waits."""

    time_ns: int
    logger: str
    severity: str
    line: str


class LokiHandler(logging.Handler):
    """Sends lines from a thread of its own.

    Args:
        url: Loki's address, with or without its push path.
        worker: value of the label ``worker``.
        config: sizes and time-out.
    """

    def __init__(self, url: str, *, worker: str, config: LoggingConfig) -> None:
        super().__init__()
        self.url = url if urlsplit(url).path.strip("/") else url.rstrip("/") + PUSH_PATH
        self.worker = worker
        #: lines that Loki did not get, and lines that it took; only one thread writes each of the parts
        self._not_queued = self._refused = 0
        self.sent = 0
        self._config = config
        #: None wakes the thread when closing
        self._queue: queue.Queue[Entry | None] = queue.Queue(config.loki_queue_size)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loki", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines Loki will never have: no room in the queue, or refused."""
        return self._not_queued + self._refused

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or drop it if the queue is full. Never waits."""
        try:
            line = self.format(record)[:MAX_LINE]
        except Exception:  # noqa: BLE001 - what a log call passed must not end its caller
            self.handleError(record)
            return
        entry = Entry(int(record.created * 1e9), record.name, record.levelname.lower(), line)
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            self._not_queued += 1

    def close(self) -> None:
        """Send what waits, for no longer than one time-out."""
        self._closing.set()
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(self._config.loki_timeout_s)
        super().close()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._deliver(batch)

    def _next_batch(self) -> list[Entry]:
        """Wait for lines and return some; none when closing and nothing is left."""
        batch: list[Entry] = []
        until: float | None = None
        while len(batch) < self._config.loki_batch_size:
            try:
                if self._closing.is_set():
                    entry = self._queue.get_nowait()
                elif until is None:
                    entry = self._queue.get()
                else:
                    entry = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if entry is not None:
                batch.append(entry)
                until = until or time.monotonic() + _BATCH_WAIT_S
        return batch

    def _deliver(self, batch: Sequence[Entry]) -> None:
        """Send a batch, again and again while Loki is away; when closing, once."""
        body = json.dumps({"streams": streams(batch, worker=self.worker)}).encode()
        retry_s = _FIRST_RETRY_S
        last = self._closing.is_set()
        taken = self._send(body)
        while taken is None and not last:
            self._closing.wait(retry_s)
            retry_s = min(retry_s * 2, _LAST_RETRY_S)
            last = self._closing.is_set()
            taken = self._send(body)
        if taken:
            self.sent += len(batch)
        else:
            self._refused += len(batch)

    def _send(self, body: bytes) -> bool | None:
        """Return whether Loki took it; None where it may yet."""
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 - from config
        try:
            with urllib.request.urlopen(request, timeout=self._config.loki_timeout_s) as answer:  # noqa: S310
                answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            return None if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _LATER else False
        except (OSError, HTTPException, ValueError):
            return None
        return True


def streams(batch: Sequence[Entry], *, worker: str) -> list[dict[str, Any]]:
    """Return lines as Loki's push API wants them: grouped by their labels, in their order."""
    values: dict[tuple[str, str], list[list[str]]] = {}
    for entry in batch:
        values.setdefault((entry.logger, entry.severity), []).append([str(entry.time_ns), entry.line])
    return [
        {
            "stream": {
                "application": APPLICATION,
                "logger": logger,
                "severity": severity,
                "worker": worker,
            },
            "values": lines,
        }
        for (logger, severity), lines in values.items()
    ]
