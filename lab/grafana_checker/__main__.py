"""The server: /api/health and /healthz for everybody, the page for Grafana's own administrator."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import signal
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .check import Checker, Report
from .page import render

_VERSION = "checker"
#: failures that the summary tells
_TOLD = 3


def health(report: Report | None) -> tuple[HTTPStatus, dict[str, Any]]:
    """Return what /api/health says: Grafana's own keys, and what fails."""
    failures = ["the first run is under way"] if report is None else report.failures
    body = {
        "database": "failing" if failures else "ok",
        "version": _VERSION,
        "stand_in": True,
        "message": _summary(failures),
        "queries": 0 if report is None else len(report.outcomes),
        "failures": failures,
        "empty": [] if report is None else report.empty,
    }
    return HTTPStatus.SERVICE_UNAVAILABLE if failures else HTTPStatus.OK, body


def _summary(failures: list[str]) -> str:
    more = f"; and {len(failures) - _TOLD} more" if len(failures) > _TOLD else ""
    return "; ".join(failures[:_TOLD]) + more


def allowed(header: str | None, user: str, password: str) -> bool:
    """Return whether an Authorization header has the right name and password."""
    kind, _, text = (header or "").partition(" ")
    try:
        given = base64.b64decode(text, validate=True) if kind == "Basic" else b""
    except binascii.Error:
        return False
    return hmac.compare_digest(given, f"{user}:{password}".encode())


def handler(report: Callable[[], Report | None], user: str, password: str) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers requests."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/healthz":
                # As Grafana: only that the server answers.
                self._answer(HTTPStatus.OK, "text/plain", "Ok")
            elif path == "/api/health":
                status, body = health(report())
                self._answer(status, "application/json", json.dumps(body, indent=2))
            elif not allowed(self.headers.get("Authorization"), user, password):
                self._answer(HTTPStatus.UNAUTHORIZED, "text/plain", "Log in as Grafana's administrator\n")
            elif path == "/":
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", render(report()))
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", "There is only one page: /\n")

        def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", 'Basic realm="data-miner"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
            """Say nothing: probes would fill the log."""

    return Handler


def main() -> None:
    """Serve until stopped."""
    password = os.environ.get("GF_SECURITY_ADMIN_PASSWORD", "")
    if not password:
        sys.exit("GF_SECURITY_ADMIN_PASSWORD is empty; set the password of the page")
    user = os.environ.get("GF_SECURITY_ADMIN_USER", "admin")
    directory = Path(os.environ.get("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning"))
    # The first process of a container ends on no signal that it doesn't ask for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    checker = Checker(directory, os.environ)
    checker.start()
    port = int(os.environ.get("GF_SERVER_HTTP_PORT", "3000"))
    answers = handler(lambda: checker.report, user, password)
    ThreadingHTTPServer(("", port), answers).serve_forever()


if __name__ == "__main__":
    main()
