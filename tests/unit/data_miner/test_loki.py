"""Log shipping: what Loki gets, and what becomes of lines while it is away."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from data_miner.config.model import LoggingConfig
from data_miner.logs import JsonFormatter
from data_miner.loki import MAX_LINE, LokiHandler

#: seconds within which everything here happens, also on a busy machine
PATIENCE_S = 20.0
#: what a request to Loki may take
TIMEOUT_S = 0.5


class FakeLoki:
    """Takes pushes over HTTP as Loki does, and answers what it is told to."""

    def __init__(self) -> None:
        self.answer = HTTPStatus.NO_CONTENT
        #: as long as it is not set, answers are held back
        self.answers = threading.Event()
        self.answers.set()
        self.streams: list[dict[str, Any]] = []
        self.requests = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def lines(self) -> list[dict[str, Any]]:
        """Return what was taken, each line as the object that it is."""
        return [json.loads(line) for stream in self.streams for _, line in stream["values"]]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loki = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                loki.requests += 1
                loki.answers.wait(PATIENCE_S)
                if loki.answer == HTTPStatus.NO_CONTENT and self.path == "/loki/api/v1/push":
                    loki.streams += body["streams"]
                self.send_response(loki.answer)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
                pass

        return Handler


@pytest.fixture
def loki() -> Iterator[FakeLoki]:
    server = FakeLoki()
    yield server
    server.answers.set()
    server.server.shutdown()
    server.server.server_close()


Make = Callable[..., tuple[logging.Logger, LokiHandler]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes a logger which ships to a URL; its handler is closed afterwards."""
    made: list[LokiHandler] = []

    def function(
        url: str, *, queue_size: int = 100, batch_size: int = 10
    ) -> tuple[logging.Logger, LokiHandler]:
        config = LoggingConfig(
            level="INFO", loki_batch_size=batch_size, loki_queue_size=queue_size, loki_timeout_s=TIMEOUT_S
        )
        handler = LokiHandler(url, worker="extract-0", config=config)
        handler.setFormatter(JsonFormatter("extract-0"))
        logger = logging.Logger("tests.loki", logging.INFO)
        logger.addHandler(handler)
        made.append(handler)
        return logger, handler

    yield function
    for handler in made:
        handler.close()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_line_carries_the_four_labels(loki: FakeLoki, make: Make) -> None:
    logger, handler = make(loki.url)
    logger.error("Item failed", extra={"item_id": 7})
    handler.close()
    (stream,) = loki.streams
    assert stream["stream"] == {
        "application": "data_miner",
        "logger": "tests.loki",
        "severity": "error",
        "worker": "extract-0",
    }
    ((time_ns, line),) = stream["values"]
    assert abs(int(time_ns) / 1e9 - time.time()) < PATIENCE_S
    assert json.loads(line)["item_id"] == 7


def test_lines_arrive_in_their_order_and_none_twice(loki: FakeLoki, make: Make) -> None:
    logger, handler = make(loki.url)
    for number in range(95):
        logger.info("Line", extra={"number": number})
    handler.close()
    assert [line["number"] for line in loki.lines()] == list(range(95))
    assert (handler.sent, handler.dropped) == (95, 0)
    assert loki.requests <= 95 // 10 + 1


def test_the_push_path_may_be_given(loki: FakeLoki, make: Make) -> None:
    logger, handler = make(f"{loki.url}/loki/api/v1/push")
    logger.info("Line")
    handler.close()
    assert len(loki.lines()) == 1


def test_a_slow_loki_never_holds_up_who_logs(loki: FakeLoki, make: Make) -> None:
    loki.answers.clear()
    logger, handler = make(loki.url, queue_size=5, batch_size=5)
    logger.info("First")
    until(lambda: loki.requests, "no batch was sent")
    started = time.monotonic()
    for _ in range(1000):
        logger.info("Line")
    assert time.monotonic() - started < 1.0
    assert handler.dropped == 1000 - 5


def test_what_waited_is_sent_when_loki_is_back(loki: FakeLoki, make: Make) -> None:
    loki.answer = HTTPStatus.SERVICE_UNAVAILABLE
    logger, handler = make(loki.url, queue_size=20, batch_size=10)
    for number in range(10):
        logger.info("Line", extra={"number": number})
    until(lambda: loki.requests, "no batch was sent")
    for number in range(10, 50):
        logger.info("Line", extra={"number": number})
    assert handler.dropped == 20
    loki.answer = HTTPStatus.NO_CONTENT
    until(lambda: handler.sent == 30, "Loki is back and did not get what waited")
    logger.info("Line", extra={"number": 50})
    until(lambda: handler.sent == 31, "nothing new arrives")
    assert [line["number"] for line in loki.lines()] == [*range(30), 50]
    assert handler.dropped == 20


def test_lines_that_loki_refuses_are_dropped_and_the_next_are_sent(loki: FakeLoki, make: Make) -> None:
    loki.answer = HTTPStatus.BAD_REQUEST
    logger, handler = make(loki.url)
    logger.info("Bad")
    until(lambda: handler.dropped == 1, "a refused line is not counted")
    loki.answer = HTTPStatus.NO_CONTENT
    logger.info("Good")
    until(lambda: handler.sent == 1, "after a refusal nothing is sent")
    assert [line["message"] for line in loki.lines()] == ["Good"]


def test_being_told_to_slow_down_loses_nothing(loki: FakeLoki, make: Make) -> None:
    loki.answer = HTTPStatus.TOO_MANY_REQUESTS
    logger, handler = make(loki.url)
    logger.info("Line")
    until(lambda: loki.requests > 1, "the line was not sent again")
    loki.answer = HTTPStatus.NO_CONTENT
    until(lambda: handler.sent == 1, "the line is lost")
    assert handler.dropped == 0


@pytest.mark.parametrize("hangs", [True, False])
def test_ending_without_loki_takes_one_time_out_at_most(loki: FakeLoki, make: Make, hangs: bool) -> None:
    logger, handler = make(loki.url if hangs else "http://127.0.0.1:1")
    loki.answers.clear()
    for _ in range(50):
        logger.info("Line")
    started = time.monotonic()
    handler.close()
    assert time.monotonic() - started < TIMEOUT_S + 1.0


def test_a_very_long_line_is_cut(loki: FakeLoki, make: Make) -> None:
    logger, handler = make(loki.url)
    logger.info("x" * MAX_LINE * 2)
    handler.close()
    (stream,) = loki.streams
    assert len(stream["values"][0][1]) == MAX_LINE


def test_a_log_call_with_wrong_arguments_harms_nobody(
    loki: FakeLoki, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    logger, handler = make(loki.url)
    logger.info("%d items", "many")
    logger.info("Good")
    handler.close()
    assert "many" in capsys.readouterr().err
    assert [line["message"] for line in loki.lines()] == ["Good"]
