"""When downloads stop because the shared storage fills up, and when they go on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_miner import capacity
from data_miner.capacity import Gate, Space, problem, space, warning
from data_miner.config.model import StorageConfig
from data_miner.mount import StorageAwayError
from data_miner.store import Store
from data_miner.workers import room
from data_miner.workers.process import Process
from data_miner.workers.room import Room
from tests.integration.data_miner.factories import make_config

CONFIG = StorageConfig(warn_percent=80, pause_percent=90, resume_percent=85)


def test_downloads_stop_at_the_limit_and_go_on_below_the_lower_one() -> None:
    gate = Gate(CONFIG)
    looks = [(0, 0), (10, 89.9), (20, 90), (30, 95), (40, 85), (50, 84.9), (230, 80), (240, 89.9), (250, 90)]
    seen = [gate.look(used, now_s) for now_s, used in looks]
    assert seen == [False, False, True, True, True, True, False, False, True]


def test_a_moment_of_room_opens_nothing() -> None:
    gate = Gate(CONFIG)
    gate.look(95, 0)
    assert all(gate.look(used, now_s) for now_s, used in ((10, 0), (100, 0), (180, 95), (200, 0), (370, 0)))
    assert not gate.look(0, 380)


@given(st.lists(st.floats(85, 89.99)))
def test_between_the_limits_nothing_changes(usages: list[float]) -> None:
    opened, closed = Gate(CONFIG), Gate(CONFIG)
    closed.look(100, 0)
    for number, used in enumerate(usages):
        assert not opened.look(used, 1000.0 * number)
        assert closed.look(used, 1000.0 * number)


@pytest.mark.parametrize(
    ("used", "warned", "stopped"),
    [
        (79.9, "", ""),
        (80, "stop at 90 %", ""),
        (89.9, "stop at 90 %", ""),
        (90, "", "until it is below 85 %"),
    ],
)
def test_people_are_told_what_follows(used: float, warned: str, stopped: str) -> None:
    for found, words in ((warning(used, CONFIG), warned), (problem(used, CONFIG), stopped)):
        assert words in found
        assert bool(found) is bool(words)


def test_a_file_system_is_measured(tmp_path: Path) -> None:
    found = space(tmp_path)
    assert 0 < found.free_bytes <= found.size_bytes
    assert 0 <= found.used_percent < 100
    assert Space(size_bytes=0, free_bytes=0).used_percent == 0


@pytest.fixture
def usage(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Percent of the shared storage that are used; the last one counts."""
    used = [0]
    monkeypatch.setattr(room, "space", lambda _: Space(size_bytes=100, free_bytes=100 - used[-1]))
    monkeypatch.setattr(room, "INTERVAL_S", 0)
    monkeypatch.setattr(capacity, "OPEN_AFTER_S", 0)
    return used


def process(root: Path, mount: Path | None) -> Process:
    return Process(config=make_config(), database_url="", store=Store(root, mount=mount), name="w", node="n")


def test_a_full_shared_storage_stops_downloads_and_says_so_once(
    tmp_path: Path, usage: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = process(tmp_path / "out", tmp_path)
    looked = Room(made)
    for used, enough in ((89, True), (90, False), (99, False), (86, False), (84, True)):
        usage.append(used)
        assert looked.enough() is enough
        assert f"data_miner_downloads_paused {int(not enough)}" in made.metrics.render()
    actions = [vars(record)["action"] for record in caplog.records]
    assert actions == ["downloads_paused", "downloads_resumed"]


def test_a_storage_that_can_not_be_asked_is_away(tmp_path: Path) -> None:
    with pytest.raises(StorageAwayError, match="No such file"):
        Room(process(tmp_path, tmp_path / "gone")).enough()


def test_a_disk_that_is_not_shared_is_left_to_its_owner(tmp_path: Path, usage: list[int]) -> None:
    usage.append(100)
    assert Room(process(tmp_path, None)).enough()
