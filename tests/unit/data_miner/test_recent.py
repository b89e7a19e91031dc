"""Values that may be a little old."""

from __future__ import annotations

import threading

import pytest

from data_miner.page.recent import Recent


def test_a_value_is_found_once_for_all_who_ask_at_the_same_time() -> None:
    found: list[int] = []
    recent, start, answers = Recent(60), threading.Barrier(8), list[int]()

    def find() -> int:
        found.append(1)
        return len(found)

    def ask() -> None:
        start.wait()
        answers.append(recent.get("key", find))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 8


def test_an_old_value_and_another_key_are_found_anew() -> None:
    numbers = iter(range(10))
    recent = Recent(-1)
    assert [recent.get("a", lambda: next(numbers)) for _ in range(2)] == [0, 1]
    kept = Recent(60)
    assert [kept.get(key, lambda: next(numbers)) for key in ("a", "b", "a")] == [2, 3, 2]


def test_nothing_is_kept_of_what_failed() -> None:
    recent = Recent(60)
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 // 0)
    assert recent.get("a", lambda: 3) == 3
