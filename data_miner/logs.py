"""Logs: one JSON object a line on stdout, and the same in batches to Loki where LOKI_URL is set."""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from data_miner.config.model import LoggingConfig

PUSH_PATH = "/loki/api/v1/push"
_BATCH_WAIT_S = 1.0
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Fixed text plus whatever was passed in ``extra``."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self.worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "worker": self.worker,
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str, ensure_ascii=False)


class LokiHandler(logging.Handler):
    """Sends lines in batches from a thread of its own; drops and counts them when Loki is slow or away.

    Args:
        url: Loki's address, with or without its push path.
        worker: value of the label ``worker``.
        config: sizes and time-out.
    """

    def __init__(self, url: str, *, worker: str, config: LoggingConfig) -> None:
        super().__init__()
        self.url = url if urlsplit(url).path.strip("/") else url.rstrip("/") + PUSH_PATH
        self.worker = worker
        self.dropped = 0
        self._config = config
        self._queue: queue.Queue[tuple[logging.LogRecord, str] | None] = queue.Queue(config.loki_queue_size)
        self._thread = threading.Thread(target=self._run, name="loki", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or drop it if the queue is full. Never waits."""
        try:
            self._queue.put_nowait((record, self.format(record)))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Send what is left, for no longer than one time-out."""
        if self._thread.is_alive():
            try:
                self._queue.put(None, timeout=self._config.loki_timeout_s)
            except queue.Full:
                self.dropped += self._queue.qsize()
            else:
                self._thread.join(self._config.loki_timeout_s)
        super().close()

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._next_batch()
            if batch:
                self._send(batch)

    def _next_batch(self) -> tuple[list[tuple[logging.LogRecord, str]], bool]:
        first = self._queue.get()
        if first is None:
            return [], False
        batch, until = [first], time.monotonic() + _BATCH_WAIT_S
        while len(batch) < self._config.loki_batch_size:
            try:
                entry = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if entry is None:
                return batch, False
            batch.append(entry)
        return batch, True

    def _send(self, batch: list[tuple[logging.LogRecord, str]]) -> None:
        body = json.dumps({"streams": self._streams(batch)}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 - from config
        try:
            with urllib.request.urlopen(request, timeout=self._config.loki_timeout_s) as answer:  # noqa: S310
                answer.read()
        except (OSError, ValueError):
            self.dropped += len(batch)

    def _streams(self, batch: list[tuple[logging.LogRecord, str]]) -> list[dict[str, Any]]:
        streams: dict[tuple[str, str], list[list[str]]] = {}
        for record, line in batch:
            entry = [str(int(record.created * 1e9)), line]
            streams.setdefault((record.name, record.levelname.lower()), []).append(entry)
        return [
            {
                "stream": {
                    "application": "data_miner",
                    "logger": logger,
                    "severity": severity,
                    "worker": self.worker,
                },
                "values": values,
            }
            for (logger, severity), values in streams.items()
        ]


def set_up_logging(config: LoggingConfig, *, worker: str, loki_url: str | None) -> LokiHandler | None:
    """Send all logs to stdout, and to Loki if there is one; returns its handler."""
    formatter = JsonFormatter(worker)
    stdout = logging.StreamHandler(sys.stdout)
    handlers: list[logging.Handler] = [stdout]
    loki = LokiHandler(loki_url, worker=worker, config=config) if loki_url else None
    if loki is not None:
        handlers.append(loki)
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=config.level, handlers=handlers, force=True)
    logging.captureWarnings(capture=True)
    return loki
