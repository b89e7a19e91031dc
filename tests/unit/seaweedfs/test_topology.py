"""Reading where volumes lie, and planning where those of a leaving server go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.seaweedfs import replication
from miner_cluster.seaweedfs.replication import place
from miner_cluster.seaweedfs.topology import (
    Server,
    TopologyError,
    Volume,
    differing,
    name_of,
    no_room,
    no_room_for_copies,
    parse,
    plan_moves,
)

LIST = (Path(__file__).parent / "volume_list.txt").read_text()
ONE, TWO, THREE = (f"volume-{name}-0.volume-{name}.seaweedfs:8080" for name in ("one", "two", "three"))


def server(address: str, slots: int, *volumes: Volume, rack: str | None = None) -> Server:
    return Server(address=address, place=place(None, rack), slots=slots, volumes=list(volumes))


def volume(number: int, wanted: str = "001", size_bytes: int = 1 << 20) -> Volume:
    return Volume(id=number, size_bytes=size_bytes, replication=wanted)


def test_the_shells_list_is_read_with_places_limits_and_copies() -> None:
    servers = parse(LIST)
    assert [(found.place.rack, found.slots, found.free) for found in servers.values()] == [
        ("DefaultRack", 32, 31),
        ("r2", 32, 29),
    ]
    assert [found.id for found in servers[TWO].volumes] == [1, 2, 7]
    assert [found.id for found in servers[TWO].volumes if found.empty] == [1]
    assert servers[TWO].size_bytes == 24000592
    assert [found.id for found in differing(servers.values(), "001")] == [7]
    assert name_of(TWO) == "volume-two"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no list of volumes"),
        ("error: no master", "no list of volumes.*no master"),
        (LIST.replace("          volume Id:1,", "          ec volume id:1"), "erasure coded"),
    ],
)
def test_what_is_no_list_is_refused(text: str, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        parse(text)


def test_each_volume_goes_where_most_is_free_and_no_copy_of_it_lies() -> None:
    servers = [server(ONE, 9, volume(1)), server(TWO, 5), server(THREE, 5, volume(1), volume(2, "000"))]
    found = plan_moves(servers, {THREE})
    assert {move.volume.id: move.target for move in found.moves} == {1: TWO, 2: ONE}
    assert found.stuck == []


def test_what_finds_no_place_is_told_with_the_numbers() -> None:
    servers = [server(ONE, 2, volume(1)), server(TWO, 0), server(THREE, 5, volume(1), volume(2), volume(3))]
    found = plan_moves(servers, {THREE})
    assert [stuck.id for stuck in found.stuck] == [1, 3]
    assert no_room(servers, {THREE}, found) == (
        "3 volumes must leave volume-three, and 2 of them, 2 MB, find no place; free volumes elsewhere: "
        "volume-one 1, volume-two 0"
    )


def test_more_copies_are_refused_where_they_would_take_the_last_free_volumes() -> None:
    servers = [server(ONE, 3, volume(1), volume(2)), server(TWO, 2, volume(3))]
    assert no_room_for_copies(servers, "000", coming=0) == ""
    refused = no_room_for_copies(servers, "001", coming=0)
    assert "replication 001 needs 3 volumes more for copies of what is there, and 2 are free" in refused
    assert "Nothing was changed" in refused
    assert no_room_for_copies(servers, "001", coming=2) == ""


def test_copies_that_are_there_need_no_room_again() -> None:
    servers = [server(ONE, 1, volume(1)), server(TWO, 1, volume(1))]
    assert no_room_for_copies(servers, "001", coming=0) == ""


def test_copies_stay_in_different_racks() -> None:
    servers = [
        server(ONE, 9, volume(1, "010"), rack="a"),
        server(TWO, 9, rack="a"),
        server(THREE, 9, volume(1, "010"), rack="b"),
    ]
    assert [stuck.id for stuck in plan_moves(servers, {THREE}).stuck] == [1]
    servers[1].place = place(None, "c")
    assert [move.target for move in plan_moves(servers, {THREE}).moves] == [TWO]


@st.composite
def clusters(draw: st.DrawFn) -> list[Server]:
    """Servers with copies as SeaweedFS places them: each on a server of its own, in one rack."""
    servers = [server(f"v-{n}-0.v-{n}.s:1", draw(st.integers(0, 6))) for n in range(draw(st.integers(1, 6)))]
    for number in range(draw(st.integers(0, 8))):
        wanted = draw(st.sampled_from(["000", "001", "002"]))
        holders = draw(st.permutations(servers))[: replication.copies(wanted)]
        for holder in holders:
            holder.volumes.append(volume(number, wanted))
    return servers


@given(clusters(), st.data())
def test_after_the_moves_the_server_is_empty_and_nothing_is_lost_or_doubled(
    servers: list[Server], data: st.DataObject
) -> None:
    leaving = {data.draw(st.sampled_from(servers)).address}
    free = {one.address: one.free for one in servers}
    found = plan_moves(servers, leaving)
    known = {one.address: one for one in servers}
    before = sorted(volume.id for one in servers for volume in one.volumes)
    for move in found.moves:
        known[move.source].volumes.remove(move.volume)
        known[move.target].volumes.append(move.volume)
    assert sorted(volume.id for one in servers for volume in one.volumes) == before
    for one in servers:
        numbers = [volume.id for volume in one.volumes]
        assert len(set(numbers)) == len(numbers)
        if one.address in leaving:
            assert one.volumes == found.stuck
        else:
            assert one.free >= min(0, free[one.address])
