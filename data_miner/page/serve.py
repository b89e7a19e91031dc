"""Running the page in a process of its own."""

from __future__ import annotations

import logging

import uvicorn
from starlette.types import ASGIApp

from data_miner.page.access import Access
from data_miner.page.app import make_app
from data_miner.page.reader import Reader
from data_miner.store import Store

logger = logging.getLogger(__name__)

#: connections at a time; more are refused, so that memory stays bounded
_CONNECTIONS = 64
_GRACE_S = 3


def make_server(app: ASGIApp, *, host: str, port: int) -> uvicorn.Server:
    """Return a server that logs through our own handlers, and not who asks for what."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return uvicorn.Server(config)


def serve(database_url: str, store: Store, *, token: str | None, host: str, port: int) -> None:
    """Serve until stopped."""
    if token is None:
        logger.warning("No token: the page can only be read", extra={"action": "page_read_only"})
    app = make_app(Reader(database_url, store), Access(token=token))
    make_server(app, host=host, port=port).run()
