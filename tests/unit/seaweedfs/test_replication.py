"""How many copies there are by default, and which replications the servers can fulfil."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.seaweedfs import replication
from miner_cluster.seaweedfs.replication import Place, place

ALL = ["".join(digits) for digits in product("012", repeat=3)]
PLACES = st.lists(st.builds(place, st.sampled_from([None, "a", "b"]), st.sampled_from([None, "r", "s"])))


def standing(*places: str) -> list[Place]:
    """Return servers by data center/rack."""
    return [Place(data_center=center, rack=rack) for center, rack in (text.split("/") for text in places)]


@pytest.mark.parametrize(
    ("servers", "wanted"),
    [
        (standing("d/r"), "000"),
        # Each write would fail while one of the two is away.
        (standing("d/r", "d/r"), "000"),
        (standing("d/r", "d/r", "d/r"), "001"),
        (standing("d/r", "d/s", "d/t"), "010"),
        (standing("d/r", "d/r", "d/s", "d/s"), "010"),
        # With the one machine of rack s away a second rack is missing, and one rack alone has three.
        (standing("d/r", "d/r", "d/r", "d/s"), "001"),
        (standing("d/r", "d/r", "d/s"), "000"),
        (standing("c/r", "c/r", "d/r", "d/r"), "100"),
    ],
)
def test_the_default_keeps_two_copies_where_a_lost_machine_stops_no_writes(
    servers: list[Place], wanted: str
) -> None:
    assert replication.default(servers) == wanted


@pytest.mark.parametrize(
    ("wanted", "servers", "fits"),
    [
        ("000", [], False),
        ("000", standing("d/r"), True),
        ("001", standing("d/r", "d/r"), True),
        ("001", standing("d/r", "d/s"), False),
        ("010", standing("d/r", "d/r"), False),
        ("010", standing("d/r", "d/s"), True),
        ("010", standing("c/r", "d/s"), False),
        ("100", standing("c/r", "d/s"), True),
        ("011", standing("d/r", "d/s", "d/s"), True),
        ("110", standing("d/r", "d/s", "c/r"), True),
        ("200", standing("c/r", "d/s"), False),
    ],
)
def test_a_replication_fits_where_each_copy_has_its_place(
    wanted: str, servers: list[Place], fits: bool
) -> None:
    assert replication.fits(wanted, servers) is fits


@given(PLACES, st.sampled_from(ALL), PLACES)
def test_more_servers_never_make_it_worse(servers: list[Place], wanted: str, more: list[Place]) -> None:
    if replication.fits(wanted, servers):
        assert replication.fits(wanted, servers + more)
        assert len(servers) >= replication.copies(wanted)


@given(PLACES)
def test_the_default_always_fits(servers: list[Place]) -> None:
    if servers:
        assert replication.fits(replication.default(servers), servers)


def test_what_a_replication_takes_is_said_in_words() -> None:
    assert replication.needs("001") == "2 nodes in one rack"
    assert replication.needs("112") == "3 nodes in one rack, 2 racks in one data center, 2 data centers"
    assert replication.needs("000") == "1 node"
