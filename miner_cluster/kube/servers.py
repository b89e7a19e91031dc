"""The servers of a cluster that has several: who has a vote in its database, who is well, who may be touched.

Its database, etcd, decides by majority: of three servers two must be well. So only one is ever taken away at
a time, and only while all others are well. k3s writes on a server's node that its member has a vote, and
takes the vote from a node that is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.kube.api import Api, KubeError, Object
from miner_cluster.kube.node_removal import address, delete
from miner_cluster.kube.waiting import Wait
from miner_cluster.preflight import API_PORT

MEMBER_LABEL = "node-role.kubernetes.io/etcd"
VOTER = "EtcdIsVoter"
#: within which a server that is well answers
ANSWER_S = 5.0
POLL_S = 1.0

#: what is wrong with the API server at an address; empty where nothing is
Ask = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A server with a vote; ``problem`` is empty where it is well."""

    name: str
    address: str
    problem: str


def ask(kubeconfig: Path) -> Ask:
    """Return how servers are asked, each at its own address, whether they and their database are well."""

    def readyz(host: str) -> str:
        try:
            Api(kubeconfig, server=f"https://{host}:{API_PORT}", timeout_s=ANSWER_S).raw("GET", "/readyz")
        except KubeError as error:
            return f"its API is not ready ({unready(str(error))})"
        return ""

    return readyz


def unready(message: str) -> str:
    """Return what is wrong in few words: the checks that failed, where the API server lists them."""
    failed = re.findall(r"^\[-\](\S+)", message, re.MULTILINE)
    return f"failed checks: {', '.join(failed)}" if failed else message.split(";", maxsplit=1)[0]


def reach(kubeconfig: Path, addresses: Iterable[str], readyz: Ask) -> Api | None:
    """Return a connection to the first server that is well; None where none is."""
    for host in addresses:
        if not readyz(host):
            return Api(kubeconfig, server=f"https://{host}:{API_PORT}")
    return None


def members(nodes: Iterable[Object], readyz: Ask) -> list[Member]:
    """Return the servers with a vote among the nodes, each with what is wrong with it."""
    voting = [node for node in nodes if MEMBER_LABEL in (node["metadata"].get("labels") or {})]
    return [
        Member(name=node["metadata"]["name"], address=address(node), problem=_problem(node, readyz))
        for node in voting
    ]


def hold(found: Sequence[Member], server: str) -> str:
    """Return why a server must not be restarted now; empty where it may be.

    One that is ill, or has no vote yet, takes nothing away: it is let alone to be repaired.
    """
    own = next((member for member in found if member.name == server), None)
    ill = [member for member in found if member.problem and member.name != server]
    if own is None or own.problem or not ill:
        return ""
    return (
        f"{len(found) - len(ill)} of {len(found)} servers are well and {majority(len(found))} must stay so; "
        + "; ".join(f"{member.name}: {member.problem}" for member in ill)
    )


def majority(count: int) -> int:
    """Return how many of so many votes decide."""
    return count // 2 + 1


def refuse_to_forget(found: Sequence[Member], leaving: Collection[str]) -> None:
    """Check that votes can be taken, one after the other, those of servers that are ill first.

    Raises:
        KubeError: a server that stays is ill, or too few would be left to decide.
    """
    staying = [member for member in found if member.name not in leaving]
    if ill := [member for member in staying if member.problem]:
        raise KubeError(
            f"{_names(leaving)} can't leave the servers: {'; '.join(f'{m.name}: {m.problem}' for m in ill)}. "
            f"{len(staying)} servers would stay, and all of them must be well; bring them up first"
        )
    well, votes = sum(not member.problem for member in found), len(found)
    for member in in_order(found, leaving):
        if well < majority(votes):
            raise KubeError(
                f"{_names(leaving)} can't leave the servers: {well} of {votes} are well, and "
                f"{majority(votes)} must be for a change; bring one of them up first"
            )
        votes, well = votes - 1, well - (not member.problem)


def in_order(found: Sequence[Member], leaving: Collection[str]) -> list[Member]:
    """Return those that leave in an order that keeps a majority: who is ill first."""
    return sorted((member for member in found if member.name in leaving), key=lambda m: not m.problem)


def forget(api: Api, node: Object, waiting: Wait, *, timeout_s: float) -> None:
    """Delete a server's node, and wait until k3s has taken its vote, which deletes it for good.

    Raises:
        KubeError: the vote is not taken in time.
    """
    name = node["metadata"]["name"]
    delete(api, node)
    while any(one["metadata"]["name"] == name for one in api.list("v1", "Node")):
        if waiting.waited_s > timeout_s:
            raise KubeError(
                f"{name} still has a vote in etcd after {timeout_s:.0f} s; look at `journalctl -u k3s` on a "
                "server that is well, and run this again"
            )
        waiting.again(_still_votes, name, poll_s=POLL_S)


def _problem(node: Object, readyz: Ask) -> str:
    conditions = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", [])}
    if "deletionTimestamp" in node["metadata"]:
        return "it is being deleted"
    if conditions.get("Ready") != "True":
        return "its node is NotReady"
    if conditions.get(VOTER) != "True":
        return "it has no vote in etcd yet"
    return readyz(address(node))


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _still_votes(name: str) -> str:
    return f"{name} still has a vote in etcd"
