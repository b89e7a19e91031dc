"""Who passes what on to whom, played through with a clock of the tests' own."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.images.schedule import DIRECT_BYTES, Schedule, Transfer

BIG = 100 * DIRECT_BYTES
NODE_SPEED = float(BIG)


@dataclass
class World:
    """Machines that all are as fast, a controller with its own speed, and what goes wrong."""

    sizes: Mapping[str, int]
    controller_speed: float = NODE_SPEED / 10
    fails: Callable[[Transfer], bool] = lambda _: False
    sent: Counter[str] = field(default_factory=Counter)
    giving: Counter[str] = field(default_factory=Counter)
    now: float = 0.0

    def play(self, needs: Mapping[str, set[str]], holds: Mapping[str, set[str]]) -> float:
        """Return the seconds until all have all."""
        schedule = Schedule(sizes=self.sizes)
        for name in {**needs, **holds}:
            schedule.join(name, needs.get(name, ()), holds.get(name, ()))
        has = {name: set(holds.get(name, ())) for name in {**needs, **holds}}
        events: list[tuple[float, int, Transfer, float]] = []
        count = 0
        while not all(schedule.whole(name) for name in needs):
            for transfer in schedule.next():
                assert not transfer.source or transfer.digest in has[transfer.source]
                self.giving[transfer.source] += 1
                assert self.giving[transfer.source] <= (1 if transfer.source else 4)
                speed = NODE_SPEED if transfer.source else self.controller_speed / self.giving[""]
                seconds = transfer.size / speed
                count += 1
                heapq.heappush(events, (self.now + seconds, count, transfer, seconds))
            assert events, "nothing happens any more"
            self.now, _, transfer, seconds = heapq.heappop(events)
            self.giving[transfer.source] -= 1
            if transfer.source and self.fails(transfer):
                schedule.failed(transfer.target)
                continue
            self.sent[transfer.source] += transfer.size
            has[transfer.target].add(transfer.digest)
            schedule.arrived(transfer.target, seconds)
        return self.now


def machines(count: int) -> list[str]:
    return [f"m{number:04}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 64, 500])
def test_time_grows_with_the_logarithm_of_the_fleet(count: int) -> None:
    world = World({"layer": BIG})
    once = BIG / world.controller_speed
    seconds = world.play({name: {"layer"} for name in machines(count)}, {})
    assert seconds <= once + math.ceil(math.log2(count)) * BIG / NODE_SPEED + 1e-6
    assert world.sent[""] == BIG


def test_different_layers_leave_the_controller_once_each() -> None:
    sizes = {"a": BIG, "b": BIG // 2, "c": BIG // 3}
    world = World(sizes)
    world.play({name: set(sizes) for name in machines(16)}, {})
    assert world.sent[""] == sum(sizes.values())


def test_what_machines_have_already_does_not_leave_the_controller() -> None:
    world = World({"layer": BIG})
    world.play({name: {"layer"} for name in machines(5)}, {"old": {"layer"}})
    assert world.sent[""] == 0


def test_what_is_small_goes_to_everyone_at_once() -> None:
    count = 20
    world = World({"code": DIRECT_BYTES // count})
    world.play({name: {"code"} for name in machines(count)}, {})
    assert world.sent[""] >= 4 * world.sizes["code"]


def test_a_controller_as_fast_as_the_machines_helps_on() -> None:
    sizes = {f"layer{number}": BIG for number in range(20)}
    slow, fast = World(sizes), World(sizes, controller_speed=10 * NODE_SPEED)
    needs = {name: set(sizes) for name in machines(4)}
    slow.play(needs, {})
    fast.play(needs, {})
    assert slow.sent[""] == sum(sizes.values())
    assert fast.sent[""] > slow.sent[""]


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6))))
def test_machines_that_do_not_reach_each_other_get_all_the_same(cut: set[tuple[int, int]]) -> None:
    names = machines(7)
    lines = {(names[a], names[b]) for a, b in cut}
    sizes = {"a": BIG, "b": BIG}
    world = World(sizes, fails=lambda transfer: (transfer.source, transfer.target) in lines)
    world.play({name: set(sizes) for name in names}, {})


def test_where_no_machine_reaches_another_the_controller_sends_all() -> None:
    world = World({"layer": BIG}, fails=lambda _: True)
    world.play({name: {"layer"} for name in machines(6)}, {})
    assert world.sent == {"": 6 * BIG}


def test_a_machine_that_leaves_holds_nobody_up() -> None:
    schedule = Schedule(sizes={"layer": BIG})
    for name in machines(3):
        schedule.join(name, {"layer"}, ())
    (first,) = schedule.next()
    schedule.leave(first.target)
    (second,) = schedule.next()
    assert (second.source, second.target != first.target) == ("", True)
    schedule.arrived(second.target, 1.0)
    (third,) = schedule.next()
    assert third.source == second.target
    schedule.leave(second.target)
    schedule.failed(third.target)
    (fourth,) = schedule.next()
    assert (fourth.source, fourth.target) == ("", third.target)


@given(
    st.dictionaries(
        st.sampled_from(machines(6)), st.sets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=6
    ),
    st.dictionaries(st.sampled_from(["x", "y"]), st.sets(st.sampled_from("abcd"))),
    st.lists(st.integers(1, 2 * BIG), min_size=4, max_size=4),
    st.floats(0.01, 100),
)
def test_everyone_gets_everything(
    needs: dict[str, set[str]], holds: dict[str, set[str]], sizes: list[int], ratio: float
) -> None:
    world = World(dict(zip("abcd", sizes, strict=True)), controller_speed=NODE_SPEED * ratio)
    world.play(needs, holds)
