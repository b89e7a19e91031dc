"""One small thread that answers /healthz, /readyz and /metrics.

Healthy means: the loop has looked at the queue, and moved lately. Ready means: it is healthy, and has what it
needs to work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from data_miner.errors import ConfigError, Problem
from data_miner.metrics import CONTENT_TYPE

#: seconds before the second look for what was away; each pause is twice as long as the one before
FIRST_PAUSE_S = 0.25
#: with a pause as long as this what is away won't come any moment; the startup probe waits for longer
KNOWN_PAUSE_S = 8.0


class Pulse:
    """When the loop moved last, by a clock that nobody can set; and what it waits for."""

    def __init__(self, *, stalled_after_s: float) -> None:
        self.stalled_after_s = stalled_after_s
        #: in words, why no work can be done now; None while it can
        self.waits_for: str | None = "the first look at the queue"
        #: whether it is known if work can be done
        self.begun = False
        self._next_pause_s = FIRST_PAUSE_S
        self._last = time.monotonic()

    def beat(self) -> None:
        """Note that the loop moved."""
        self._last = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the loop moved."""
        return time.monotonic() - self._last

    def lacks_nothing(self) -> None:
        """Note that work can be done."""
        self.waits_for, self.begun, self._next_pause_s = None, True, FIRST_PAUSE_S

    def lacks(self, what: str, *, longest_pause_s: float) -> float:
        """Note that no work can be done now, and return the seconds before the next look.

        They grow: a new pod is let through to the database a second after it started, and most of what goes
        away is back soon.
        """
        pause_s = min(self._next_pause_s, longest_pause_s)
        self.waits_for, self._next_pause_s = what, 2 * pause_s
        self.begun |= pause_s >= min(longest_pause_s, KNOWN_PAUSE_S)
        return pause_s

    @property
    def alive(self) -> bool:
        """Whether the loop moved lately."""
        return self.age_s < self.stalled_after_s


class HealthServer:
    """Serves until closed.

    Args:
        port: 0 takes any free one; see ``port`` afterwards.
        pulse: what /healthz and /readyz report.
        metrics: returns what /metrics shows.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(self, port: int, *, pulse: Pulse, metrics: Callable[[], str]) -> None:
        try:
            self._server = ThreadingHTTPServer(("", port), _handler(pulse, metrics))
        except OSError as error:
            hint = "set worker.port to a free one, or to 0 for any"
            message = f"port {port} cannot be used: {error.strerror}"
            problem = Problem(file="configuration", key="worker.port", message=message, hint=hint)
            raise ConfigError([problem]) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and free the port."""
        self._server.shutdown()
        self._server.server_close()


def _handler(pulse: Pulse, metrics: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            probed = self.path in {"/healthz", "/readyz"}
            if probed and pulse.alive and (not pulse.begun or (self.path == "/readyz" and pulse.waits_for)):
                status = HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain", f"waiting: {pulse.waits_for}\n")
            elif probed:
                word = "ok" if pulse.alive else "stalled"
                status = HTTPStatus.OK if pulse.alive else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain", f"{word}: the loop moved {pulse.age_s:.1f} s ago\n")
            elif self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE, metrics())
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", "try /healthz, /readyz or /metrics\n")

        def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
            """Say nothing: probes would fill the log."""

    return Handler
