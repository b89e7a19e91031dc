"""Which volumes lie on which servers, as ``weed shell`` lists them, and where they could move. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from miner_cluster.seaweedfs import replication
from miner_cluster.seaweedfs.replication import Place

MB = 1 << 20

_CENTER = re.compile(r"\s*DataCenter (\S+) \S+\(volume:")
_RACK = re.compile(r"\s*Rack (\S+) \S+\(volume:")
_SERVER = re.compile(r"\s*DataNode (\S+) \S+\(volume:")
_SLOTS = re.compile(r"\(volume:(\d+)/(-?\d+) ")
_VOLUME = re.compile(r"\s*volume Id:(\d+), Size:(\d+), ReplicaPlacement:(\d{3}), ")
_FILES = re.compile(r", FileCount:(\d+), DeleteCount:(\d+),")
#: of a volume in which nothing is
_HEAD_BYTES = 8
_ERASURE_CODED = re.compile(r"\s*ec volume ")


class TopologyError(ValueError):
    """What SeaweedFS said can't be read."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One copy of a volume."""

    id: int
    size_bytes: int
    replication: str
    #: whether all its files were deleted; they take their place until it was written anew
    empty: bool = False

    @property
    def cleared(self) -> bool:
        """Whether nothing is in it, so that SeaweedFS deletes it as an empty one."""
        return self.size_bytes <= _HEAD_BYTES


@dataclass(kw_only=True)
class Server:
    """A volume server that the master knows."""

    address: str
    place: Place
    #: how many volumes it takes
    slots: int
    volumes: list[Volume] = field(default_factory=list)

    @property
    def free(self) -> int:
        """How many volumes more it takes; less than none where its limit was lowered."""
        return self.slots - len(self.volumes)

    @property
    def size_bytes(self) -> int:
        """What its volumes hold, deleted files included."""
        return sum(volume.size_bytes for volume in self.volumes)


@dataclass(frozen=True, kw_only=True)
class Move:
    """One volume on its way."""

    volume: Volume
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Moves:
    """How servers are emptied; what finds no place stays."""

    moves: list[Move]
    stuck: list[Volume]


def parse(text: str) -> dict[str, Server]:
    """Return the servers by address.

    Raises:
        TopologyError: the text is no topology, or holds what these playbooks never make.
    """
    servers: dict[str, Server] = {}
    center = rack = ""
    server: Server | None = None
    for line in text.splitlines():
        if found := _CENTER.match(line):
            center = found[1]
        elif found := _RACK.match(line):
            rack = found[1]
        elif found := _SERVER.match(line):
            slots = sum(int(most) for _, most in _SLOTS.findall(line))
            server = Server(
                address=found[1], place=Place(data_center=center, rack=rack), slots=slots, volumes=[]
            )
            servers[server.address] = server
        elif (found := _VOLUME.match(line)) and server:
            files, size_bytes = _FILES.search(line), int(found[2])
            all_deleted = files is not None and files[1] == files[2]
            server.volumes.append(
                Volume(id=int(found[1]), size_bytes=size_bytes, replication=found[3], empty=all_deleted)
            )
        elif _ERASURE_CODED.match(line):
            raise TopologyError("there are erasure coded volumes, which these playbooks can't move")
    if "Topology volumeSizeLimit" not in text:
        raise TopologyError(f"this is no list of volumes: {text[-300:]!r}")
    return servers


def without_empty(servers: Mapping[str, Server]) -> dict[str, Server]:
    """Return the servers as they are once their empty volumes are deleted."""
    return {
        address: replace(server, volumes=[volume for volume in server.volumes if not volume.empty])
        for address, server in servers.items()
    }


def plan_moves(servers: Iterable[Server], leaving: Collection[str], full: Collection[str] = ()) -> Moves:
    """Find a new place for each volume of servers that leave.

    No copy goes where another one of the same volume lies, and copies stay as far apart as their replication
    asks for. Each goes where most is free.

    Args:
        servers: all of them.
        leaving: addresses of those that shall hold nothing any more.
        full: addresses of those that refused a volume, which come last.
    """
    known = {server.address: server for server in servers}
    free = {address: server.free for address, server in known.items() if address not in leaving}
    holders: dict[int, set[str]] = {}
    for server in known.values():
        for volume in server.volumes:
            holders.setdefault(volume.id, set()).add(server.address)
    moves, stuck = [], []
    for source in sorted(leaving):
        for volume in known[source].volumes if source in known else ():
            rest = holders[volume.id] - {source}
            candidates = [
                address
                for address, slots in free.items()
                if slots > 0
                and address not in rest
                and _well_placed(volume.replication, [known[name].place for name in (*rest, address)])
            ]
            if not candidates:
                stuck.append(volume)
                continue
            target = max(candidates, key=lambda address: (address not in full, free[address], address))
            free[target] -= 1
            holders[volume.id] = rest | {target}
            moves.append(Move(volume=volume, source=source, target=target))
    return Moves(moves=moves, stuck=stuck)


def _well_placed(wanted: str, places: Sequence[Place]) -> bool:
    """Tell whether copies are far enough apart; where some are missing, they are placed later."""
    if len(places) < replication.copies(wanted):
        return True
    other_centers, other_racks, _ = map(int, wanted)
    centers = {place.data_center for place in places}
    return len(centers) > other_centers and len(set(places)) > other_centers + other_racks


def differing(servers: Iterable[Server], wanted: str) -> list[Volume]:
    """Return the volumes that do not have the wanted replication, each once."""
    found = {
        volume.id: volume for server in servers for volume in server.volumes if volume.replication != wanted
    }
    return list(found.values())


def no_room(servers: Iterable[Server], leaving: Collection[str], found: Moves) -> str:
    """Say with the numbers that servers can't be emptied."""
    staying = [server for server in servers if server.address not in leaving]
    places = ", ".join(f"{name_of(server.address)} {max(server.free, 0)}" for server in staying) or "none"
    size_mb = sum(volume.size_bytes for volume in found.stuck) / MB
    names = ", ".join(map(name_of, sorted(leaving)))
    return (
        f"{len(found.moves) + len(found.stuck)} volumes must leave {names}, and {len(found.stuck)} of them, "
        f"{size_mb:.0f} MB, find no place; free volumes elsewhere: {places}"
    )


def no_room_for_copies(servers: Iterable[Server], wanted: str, *, coming: int) -> str:
    """Say with the numbers that more copies would not fit; nothing where they do.

    They would take the last free volumes, and then nothing could be written any more.

    Args:
        servers: all of them.
        wanted: the replication that is to be.
        coming: how many volumes servers take that are only about to join.
    """
    known = list(servers)
    held: dict[int, int] = {}
    for server in known:
        for volume in server.volumes:
            held[volume.id] = held.get(volume.id, 0) + 1
    missing = sum(max(0, replication.copies(wanted) - count) for count in held.values())
    free = sum(max(0, server.free) for server in known) + coming
    if missing < free or not missing:
        return ""
    return (
        f"replication {wanted} needs {missing} volumes more for copies of what is there, and {free} are "
        "free. Nothing was changed. Raise disk_limit_mb, add a node or delete files, or keep fewer copies: "
        "seaweedfs.replication in cluster_config.yaml"
    )


def name_of(address: str) -> str:
    """Return the StatefulSet's name of a server's address, volume-NAME-0.volume-NAME.NAMESPACE:PORT."""
    return address.split(".")[1] if address.count(".") > 1 else address
