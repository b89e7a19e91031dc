"""What a worker answers to probes."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from data_miner.health import HealthServer, Pulse


def ask(pulse: Pulse, path: str) -> tuple[int, str]:
    with HealthServer(0, pulse=pulse, metrics=lambda: "m 1\n") as server:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def pulse(*, stalled_after_s: float = 60, waits_for: str | None = None) -> Pulse:
    made = Pulse(stalled_after_s=stalled_after_s)
    made.waits_for = waits_for
    return made


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_loop_that_moves_and_lacks_nothing_is_healthy_and_ready(path: str) -> None:
    status, text = ask(pulse(), path)
    assert status == 200
    assert text.startswith("ok: the loop moved")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_loop_that_stands_still_is_neither(path: str) -> None:
    status, text = ask(pulse(stalled_after_s=0, waits_for="the database"), path)
    assert status == 503
    assert text.startswith("stalled")


def test_a_loop_that_waits_is_healthy_and_not_ready_and_says_for_what() -> None:
    waiting = pulse(waits_for="the database does not answer")
    assert ask(waiting, "/healthz")[0] == 200
    assert ask(waiting, "/readyz") == (503, "waiting: the database does not answer\n")


def test_a_worker_that_has_just_begun_is_not_ready() -> None:
    assert ask(Pulse(stalled_after_s=60), "/readyz")[0] == 503


def test_other_paths_say_which_there_are() -> None:
    assert ask(pulse(), "/") == (404, "try /healthz, /readyz or /metrics\n")
