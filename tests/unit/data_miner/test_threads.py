"""What threads prepare comes in order, soon enough and not too early."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_miner import threads as under_test
from data_miner.threads import Threads, batches, cpus


@given(things=st.lists(st.integers()), count=st.integers(1, 5))
def test_what_is_made_of_things_comes_in_their_order(things: list[int], count: int) -> None:
    with Threads(count) as threads:
        assert list(threads.ahead(lambda thing: -thing, things)) == [-thing for thing in things]


def test_as_many_are_made_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(3, timeout=10)
    with Threads(3) as threads:
        assert len(list(threads.ahead(lambda _: together.wait(), range(9)))) == 9


def test_no_more_is_asked_for_than_is_worked_on() -> None:
    asked = []

    def things() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    with Threads(2) as threads:
        made = threads.ahead(str, things())
        assert [next(made) for _ in range(5)] == ["0", "1", "2", "3", "4"]
        assert len(asked) == 5 + 2


def test_fewer_are_made_ahead_where_memory_is_short() -> None:
    asked: list[int] = []
    with Threads(4) as threads:
        next(threads.ahead(asked.append, iter(range(100)), most=1))
        assert len(asked) <= 2


def test_what_nobody_waits_for_any_more_is_left() -> None:
    began = []
    go_on = threading.Event()

    def work(number: int) -> int:
        began.append(number)
        if number:
            go_on.wait(10)
        return number

    with pytest.raises(KeyError), Threads(2) as threads:  # noqa: PT012 - the consumer is what raises
        for _ in threads.ahead(work, range(100)):
            threading.Timer(0.2, go_on.set).start()
            raise KeyError
    assert len(began) <= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_an_error_comes_where_its_result_would_have_come() -> None:
    with Threads(2) as threads:
        made = threads.ahead(lambda thing: 1 // thing, [1, 1, 0, 1, 1])
        assert [next(made), next(made)] == [1, 1]
        with pytest.raises(ZeroDivisionError):
            next(made)


@given(things=st.lists(st.integers()), size=st.integers(1, 5))
def test_batches_are_full_but_for_the_last(things: list[int], size: int) -> None:
    found = list(batches(things, size))
    assert [thing for batch in found for thing in batch] == things
    assert all(len(batch) == size for batch in found[:-1])
    assert all(0 < len(batch) <= size for batch in found)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 16),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("9900000 100000", 16),
    ],
)
def test_a_container_has_the_processors_of_its_limit(
    limit: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(under_test, "CPU_MAX", tmp_path / "cpu.max")
    assert cpus() == 16
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert cpus() == expected
