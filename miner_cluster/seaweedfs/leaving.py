"""Volume servers of machines that were taken out of the configuration: emptied first, and only then let go.

Nothing is remembered between two runs but what the cluster itself shows, so an interrupted run is finished by
the next. Writers go on meanwhile: what they put on a server that is being emptied moves in the next pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.node_labels import MERGE_PATCH
from miner_cluster.kube.prune import EMPTIED, OURS
from miner_cluster.kube.rollout import ready
from miner_cluster.kube.waiting import Say, Wait
from miner_cluster.pods import COMPONENT_LABEL
from miner_cluster.seaweedfs.shell import WeedShell
from miner_cluster.seaweedfs.topology import (
    MB,
    Move,
    Server,
    Volume,
    differing,
    name_of,
    no_room,
    plan_moves,
    without_empty,
)

#: writers may keep on filling a server that is being emptied
PASSES = 10
#: until a server is known to the master again, or no more
KNOWN_S = 120.0
#: besides copying, a move waits until the last writes have arrived
_MOVE_S, _MB_PER_S = 120.0, 5
_REPAIR_S = 3600.0
_LEAVE_S = 60.0
#: since when an empty volume must not have been written, as a writer may be about to
_QUIET_S = 60.0
#: until the master knows how big a volume is by now
_KNOWN_TO_MASTER_S = 10.0
#: the share of deleted files above which a volume is written anew: whatever there is
_ANY = 0.0001
#: what a server says that takes no volume, and until it may: it looks at its disk once a minute
_NO_SPACE, _FULL_S = "no space left", 20.0
#: marks a server that will never answer again; others are marked with the container that was emptied
_GIVEN_UP = "lost"
_REPLICATION = "-defaultReplication="


@dataclass(frozen=True, kw_only=True)
class Sets:
    """StatefulSets of volume servers, by name."""

    #: not in the configuration, and perhaps not empty
    leaving: dict[str, Object]
    #: emptied by an earlier run, and in the configuration again
    returned: dict[str, Object]


def find(api: Api, namespace: str, wanted: Collection[str]) -> Sets:
    """Return the servers that something must be done about.

    Args:
        api: the cluster.
        namespace: of SeaweedFS.
        wanted: names of the StatefulSets that are in the configuration.
    """
    there = api.list("apps/v1", "StatefulSet", namespace, labelSelector=f"{OURS},{COMPONENT_LABEL}=volume")
    named = {found["metadata"]["name"]: found for found in there}
    marks = {name: (found["metadata"].get("annotations") or {}).get(EMPTIED) for name, found in named.items()}
    return Sets(
        leaving={
            name: one
            for name, one in named.items()
            if name not in wanted and (marks[name] is None or _started_since(api, one, marks[name]))
        },
        returned={name: one for name, one in named.items() if name in wanted and marks[name] is not None},
    )


def _started_since(api: Api, statefulset: Object, mark: str | None) -> bool:
    """Tell whether a server was started after it was emptied: then the master may have given it new files."""
    meta = statefulset["metadata"]
    now = _container(api, api.resource("v1", "Pod").path(meta["namespace"], f"{meta['name']}-0"))
    return mark != _GIVEN_UP and now not in {"", mark}


def _container(api: Api, pod: str) -> str:
    """Return the ID of the container of a server's pod; empty where there is none."""
    try:
        states = api.call("GET", pod).get("status", {}).get("containerStatuses") or [{}]
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return ""
    return str(states[0].get("containerID", ""))


def replication_in_use(api: Api, namespace: str) -> str:
    """Return the replication that the master was started with; nothing where there is none yet."""
    try:
        found = api.call("GET", api.resource("apps/v1", "StatefulSet").path(namespace, "master"))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return ""
    command = found["spec"]["template"]["spec"]["containers"][0].get("command", [])
    told = (argument for argument in command if argument.startswith(_REPLICATION))
    return next(told, "").removeprefix(_REPLICATION)


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Empties servers.

    Attributes:
        api: the cluster.
        shell: of SeaweedFS.
        say: tells how far it is.
        replication: that is configured now.
        lost: names of servers that will never answer again.
        sleep: waits for so many seconds.
    """

    api: Api
    shell: WeedShell
    say: Say
    replication: str
    lost: Collection[str] = ()
    sleep: Callable[[float], None] = time.sleep

    def planned(self, leaving: Collection[str]) -> str:
        """Return in words what emptying servers would move.

        Raises:
            KubeError: it would not fit, or a server does not answer.
        """
        servers = self._servers(leaving)
        gone = self._addresses(servers, leaving)
        if (found := plan_moves(servers.values(), gone)).stuck:
            servers = without_empty(servers)
            found = plan_moves(servers.values(), gone)
        # A lower replication frees places first, which only the next look would show.
        if found.stuck and not differing(servers.values(), self.replication):
            raise KubeError(_refused(no_room(servers.values(), gone, found), 0))
        return f"{len(found.moves)} volumes would move off {', '.join(sorted(leaving))}"

    def empty(self, leaving: Mapping[str, Object]) -> int:
        """Move everything off servers, mark them as empty, and return how many volumes moved.

        Raises:
            KubeError: it does not fit, a server does not answer, or SeaweedFS refuses.
        """
        answering = self._servers(leaving)
        moved, refused, full = 0, "", set[str]()
        for number_of_pass in range(PASSES):
            servers = self.shell.servers()
            gone = self._addresses(servers, leaving)
            found = plan_moves(servers.values(), gone, full)
            # Until the new replication is applied the master makes volumes with the old one: these move too.
            old = differing(servers.values(), self.replication)
            if old and (found.stuck or number_of_pass == 0):
                self.reconfigure(len(old))
                servers = self.shell.servers()
                found = plan_moves(servers.values(), gone, full)
            empty = [volume for one in servers.values() for volume in one.volumes if volume.empty]
            if found.stuck and empty:
                self.delete_empty(empty)
                servers = self.shell.servers()
                found = plan_moves(servers.values(), gone, full)
            if found.stuck:
                raise KubeError(_refused(no_room(servers.values(), gone, found), moved))
            done, refused = self._move(found.moves)
            moved += done
            if refused:
                full.add(found.moves[done].target)
                self.say(f"  {refused}; again in {_FULL_S:.0f} s")
                self.sleep(_FULL_S)
                continue
            looked_at = {
                name: _container(self.api, self._pod(name)) for name in leaving if name not in self.lost
            }
            left = [name for name in looked_at if not self._left(name, answering)]
            if not left:
                break
        else:
            if refused:
                raise KubeError(f"{refused}, {moved} volumes moved; make room there and run this again")
            raise KubeError(
                f"{', '.join(left)} was filled as fast as it was emptied, {moved} volumes moved; pause the "
                "writers (data-miner pause) and run this again"
            )
        for name, statefulset in leaving.items():
            self._annotate(statefulset, looked_at.get(name, _GIVEN_UP))
        return moved

    def _move(self, moves: Sequence[Move]) -> tuple[int, str]:
        """Move volumes until one finds no place; return how many were moved, and why not all."""
        for number, move in enumerate(moves):
            size_mb = move.volume.size_bytes / MB
            target = name_of(move.target)
            self.say(
                f"  {number + 1} of {len(moves)}: volume {move.volume.id} ({size_mb:.0f} MB) from "
                f"{name_of(move.source)} to {target}"
            )
            try:
                self.shell.locked(
                    f"volume.move -source {move.source} -target {move.target} -volumeId {move.volume.id}",
                    work_s=_MOVE_S + size_mb / _MB_PER_S,
                )
            except KubeError as error:
                # A writer may have taken the place, and a disk that was full counts as full for a while.
                if _NO_SPACE not in str(error):
                    raise
                return number, f"{target} says that it has no space left for volume {move.volume.id}"
        return len(moves), ""

    def reconfigure(self, volumes: int) -> None:
        """Give existing volumes the configured replication, and make or remove copies until they have it."""
        self.say(f"  {volumes} volumes get replication {self.replication}")
        self.shell.locked(
            f"volume.configure.replication -replication={self.replication}",
            "volume.fix.replication -apply",
            work_s=_REPAIR_S,
        )

    def delete_empty(self, volumes: Collection[Volume]) -> None:
        """Delete volumes whose files were all deleted, which SeaweedFS keeps.

        Those that still take the place of these files are written anew first. SeaweedFS looks at each once
        more before it deletes it, and leaves those alone that were written a moment ago.
        """
        self.say("  volumes without files are deleted, as others find no place; that takes about a minute")
        if numbers := sorted({volume.id for volume in volumes if not volume.cleared}):
            commands = (f"volume.vacuum -volumeId={number} -garbageThreshold={_ANY}" for number in numbers)
            self.shell.locked(*commands, work_s=_REPAIR_S)
            self.sleep(_QUIET_S + _KNOWN_TO_MASTER_S)
        self.shell.locked(f"volume.deleteEmpty -quietFor={_QUIET_S:.0f}s -apply", work_s=_LEAVE_S)

    def take_back(self, returned: Mapping[str, Object]) -> None:
        """Let servers that left serve again: they come back to the master when they start."""
        for name, statefulset in returned.items():
            self._restart(name)
            self._annotate(statefulset, None)

    def _servers(self, leaving: Collection[str]) -> dict[str, Server]:
        """Return the master's servers, once it knows all of those that leave and have something.

        Raises:
            KubeError: one does not answer.
        """
        servers = self.shell.servers()
        known = {name_of(address) for address in servers}
        for name in sorted(set(leaving) - known - set(self.lost)):
            if not self._runs(name):
                raise KubeError(_silent(name))
            if self._volumes(name):
                self._restart(name)
                servers = self._until(name, known=True)
        return servers

    def _addresses(self, servers: Mapping[str, Server], leaving: Collection[str]) -> set[str]:
        return {address for address in servers if name_of(address) in leaving}

    def _left(self, name: str, answering: Mapping[str, Server]) -> bool:
        """Let a server leave if it is empty; False when a writer was faster."""
        address = next((address for address in answering if name_of(address) == name), None)
        if address is not None:
            now = self.shell.servers()
            if address in now:
                if now[address].volumes:
                    return False
                self.shell.locked(f"volumeServer.leave -node {address} -apply", work_s=_LEAVE_S)
                self._until(name, known=False)
        # The master gives it nothing any more, so what lies there now is all that ever will.
        if not self._volumes(name):
            return True
        self._restart(name)
        self._until(name, known=True)
        return False

    def _until(self, name: str, *, known: bool) -> dict[str, Server]:
        """Wait until the master knows a server, or does so no more."""
        waiting = Wait(self.say)
        while True:
            servers = self.shell.servers()
            if (name in {name_of(address) for address in servers}) is known:
                return servers
            if waiting.waited_s > KNOWN_S:
                raise KubeError(f"{name} is {'not yet' if known else 'still'} known to SeaweedFS's master")
            waiting.again(str, f"waiting for {name} and the master", poll_s=2)

    def _runs(self, name: str) -> bool:
        try:
            return ready(self.api.call("GET", self._pod(name)))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return False

    def _volumes(self, name: str) -> list[str]:
        """Return the files of volumes in a server's directory."""
        listed = self.shell.exec(f"{name}-0", ["ls", "/data"])
        return [line for line in listed.split() if line.endswith(".dat")]

    def _restart(self, name: str) -> None:
        try:
            self.api.call("DELETE", self._pod(name))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    def _pod(self, name: str) -> str:
        return self.api.resource("v1", "Pod").path(self.shell.namespace, f"{name}-0")

    def _annotate(self, statefulset: Object, value: str | None) -> None:
        meta = statefulset["metadata"]
        path = self.api.resource("apps/v1", "StatefulSet").path(meta["namespace"], meta["name"])
        self.api.call("PATCH", path, {"metadata": {"annotations": {EMPTIED: value}}}, content=MERGE_PATCH)


def _refused(reason: str, moved: int) -> str:
    return (
        f"{reason}. {moved or 'None'} were moved. Raise disk_limit_mb of other nodes, add a node or delete "
        "files, and run this again; or put the node back into cluster_config.yaml"
    )


def _silent(name: str) -> str:
    node = name.removeprefix("volume-")
    return (
        f"{name} does not answer, so what only it holds can't be moved; nothing was changed. Start {node} "
        "and run this again. If it is lost for good, so are files without a second copy: "
        f"-e lost={node} goes on without them"
    )
