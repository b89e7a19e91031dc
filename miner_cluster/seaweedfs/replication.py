"""How many copies of each file SeaweedFS keeps, and on what apart from each other.

A replication has three digits: copies beside the first one in other data centers, in other racks of the same
data center, and on other servers of the same rack. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: what SeaweedFS calls them where they are not named
DEFAULT_DATA_CENTER, DEFAULT_RACK = "DefaultDataCenter", "DefaultRack"
NONE = "000"
#: two copies, the furthest apart first
_TWO_COPIES = ("100", "010", "001")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a volume server stands."""

    data_center: str
    rack: str


def place(data_center: str | None, rack: str | None) -> Place:
    """Return where a volume server stands that is told these names, or none."""
    return Place(data_center=data_center or DEFAULT_DATA_CENTER, rack=rack or DEFAULT_RACK)


def copies(replication: str) -> int:
    """Return how often each file is kept."""
    return 1 + sum(map(int, replication))


def fits(replication: str, servers: Iterable[Place]) -> bool:
    """Tell whether new volumes find enough servers, one in each place of all.

    Each server counts once, so ``servers`` names a place as often as servers stand there.
    """
    centers: dict[str, dict[str, int]] = {}
    for server in servers:
        racks = centers.setdefault(server.data_center, {})
        racks[server.rack] = racks.get(server.rack, 0) + 1
    other_centers, other_racks, same_rack = map(int, replication)
    return len(centers) > other_centers and any(
        len(racks) > other_racks and max(racks.values()) > same_rack for racks in centers.values()
    )


def survives_a_loss(replication: str, servers: Sequence[Place]) -> bool:
    """Tell whether new files find their places also while any one server is away."""
    return bool(servers) and all(
        fits(replication, [*servers[:number], *servers[number + 1 :]]) for number in range(len(servers))
    )


def default(servers: Sequence[Place]) -> str:
    """Return two copies as far apart as goes while any one server is away; where that can't be, one copy.

    Two copies on two servers alone would let every write fail while one of them is away.
    """
    return next((two for two in _TWO_COPIES if survives_a_loss(two, servers)), NONE)


def needs(replication: str) -> str:
    """Say in words what a replication takes."""
    other_centers, other_racks, same_rack = map(int, replication)
    words = [f"{same_rack + 1} nodes in one rack"] if same_rack else []
    if other_racks:
        words.append(f"{other_racks + 1} racks in one data center")
    if other_centers:
        words.append(f"{other_centers + 1} data centers")
    return ", ".join(words) or "1 node"
