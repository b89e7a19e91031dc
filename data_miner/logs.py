"""Logs: one JSON object a line on stdout, and the same to Loki where LOKI_URL is set."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from data_miner.config.model import LoggingConfig
from data_miner.loki import LokiHandler

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
