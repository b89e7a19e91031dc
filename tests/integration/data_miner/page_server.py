"""The web page on a free port, and a client that does exactly what it is told."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from psycopg.conninfo import make_conninfo

from data_miner.db.connect import DatabaseAwayError, connect
from data_miner.db.page_role import make_page_role
from data_miner.page.access import Access
from data_miner.page.app import make_app
from data_miner.page.names import ROLE
from data_miner.page.reader import Reader
from data_miner.page.serve import make_server
from data_miner.store import Store

TOKEN = "a-token-of-the-test"  # noqa: S105 - of this test alone


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Page:
    """A running page; keeps the cookie of a session."""

    port: int
    cookie: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, {}, None)

    def post(
        self, path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, {**kind, **(headers or {})}, urlencode(form or {}))

    def log_in(self, token: str = TOKEN) -> Answer:
        answer = self.post("/login", {"token": token})
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def form_token(self) -> str:
        """What the forms of this session's pages carry."""
        found = re.search(r'name="form_token" value="(\w+)"', self.get("/").text)
        assert found is not None
        return found[1]

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        connection.request(method, path, body, {**cookie, **headers})
        response = connection.getresponse()
        answer = Answer(
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            response.read(),
        )
        connection.close()
        return answer


@contextmanager
def serving(database: str, root: Path, *, token: str | None = TOKEN) -> Iterator[Page]:
    """Serve as the role that the page has on a cluster."""
    with suppress(DatabaseAwayError), connect(database, name="test") as connection:
        make_page_role(connection, TOKEN)
    url = make_conninfo(database, user=ROLE)
    app = make_app(Reader(url, Store(root, mount=None)), Access(token=token))
    server = make_server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    pause = threading.Event()
    while not server.started:
        assert thread.is_alive()
        pause.wait(0.01)
    try:
        yield Page(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
