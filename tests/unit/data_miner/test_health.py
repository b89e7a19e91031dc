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
    made.waits_for, made.begun = waits_for, True
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


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_worker_that_has_not_looked_yet_is_neither_so_that_a_healthy_one_knows_whether_it_is_ready(
    path: str,
) -> None:
    assert ask(Pulse(stalled_after_s=60), path) == (503, "waiting: the first look at the queue\n")


def test_other_paths_say_which_there_are() -> None:
    assert ask(pulse(), "/") == (404, "try /healthz, /readyz or /metrics\n")


def test_what_is_away_is_looked_for_soon_and_then_at_longer_intervals_until_it_is_back() -> None:
    made = Pulse(stalled_after_s=60)
    assert [made.lacks("the database", longest_pause_s=3) for _ in range(6)] == [0.25, 0.5, 1, 2, 3, 3]
    made.lacks_nothing()
    assert made.lacks("the database", longest_pause_s=3) == 0.25


def test_a_worker_has_not_begun_while_what_it_lacks_may_come_any_moment() -> None:
    made = Pulse(stalled_after_s=60)
    made.lacks("the database", longest_pause_s=0.5)
    assert ask(made, "/healthz") == (503, "waiting: the database\n")
    made.lacks("the database", longest_pause_s=0.5)
    assert ask(made, "/healthz")[0] == 200
    assert ask(made, "/readyz") == (503, "waiting: the database\n")


def test_a_worker_that_looks_rarely_has_begun_long_before_its_startup_probe_ends_it() -> None:
    made, waited_s = Pulse(stalled_after_s=600), 0.0
    while not made.begun:
        waited_s += made.lacks("the database", longest_pause_s=300)
    assert waited_s < 20


def test_a_worker_that_lacks_nothing_has_begun() -> None:
    made = Pulse(stalled_after_s=60)
    made.lacks_nothing()
    assert {ask(made, path)[0] for path in ("/healthz", "/readyz")} == {200}
