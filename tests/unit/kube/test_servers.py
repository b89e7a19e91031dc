"""Several servers: which may be touched, whose vote may go, and what is said where not."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.kube.api import KubeError, Object
from miner_cluster.kube.servers import (
    MEMBER_LABEL,
    VOTER,
    Member,
    forget,
    hold,
    in_order,
    majority,
    members,
    reach,
    refuse_to_forget,
    unready,
)
from miner_cluster.kube.waiting import Wait
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi


def well(_: str) -> str:
    return ""


def server(name: str, *, ready: bool = True, voter: bool = True, **metadata: Any) -> Object:
    conditions = [{"type": "Ready", "status": str(ready)}, {"type": VOTER, "status": str(voter)}]
    addresses = [{"type": "InternalIP", "address": f"192.0.2.{name[-1]}"}]
    made = obj("Node", name, None, status={"conditions": conditions, "addresses": addresses})
    made["metadata"]["labels"] = {MEMBER_LABEL: "true"}
    made["metadata"].update(metadata)
    return made


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("HTTP 500: [+]ping ok\n[-]etcd failed: reason withheld\n[-]log failed", "failed checks: etcd, log"),
        ("The API at s1 does not answer (refused); look at it", "The API at s1 does not answer (refused)"),
    ],
)
def test_what_is_wrong_with_a_server_fits_a_line(message: str, words: str) -> None:
    assert unready(message) == words


def member(name: str, problem: str = "") -> Member:
    return Member(name=name, address="", problem=problem)


def waiting() -> Wait:
    now = iter(range(1000))
    return Wait(clock=lambda: float(next(now)), sleep=lambda _: None)


@pytest.mark.parametrize(
    ("node", "readyz", "words"),
    [
        (server("s1"), well, ""),
        (server("s1", ready=False), well, "NotReady"),
        (server("s1", voter=False), well, "no vote"),
        (server("s1", deletionTimestamp="now"), well, "being deleted"),
        (server("s1"), lambda host: f"{host} is away", "192.0.2.1 is away"),
    ],
)
def test_a_server_is_well_when_its_node_its_vote_and_its_api_are(
    node: Object, readyz: Callable[[str], str], words: str
) -> None:
    (found,) = members([node, obj("Node", "agent", None)], readyz)
    assert words in found.problem
    assert bool(words) == bool(found.problem)


def test_a_server_waits_while_another_one_is_ill() -> None:
    found = [member("s1"), member("s2"), member("s3", "its node is NotReady")]
    assert hold(found, "s1") == "2 of 3 servers are well and 2 must stay so; s3: its node is NotReady"


@pytest.mark.parametrize(
    ("found", "touched"),
    [
        ([member("s1"), member("s2"), member("s3")], "s1"),
        ([member("s1"), member("s2"), member("s3", "ill")], "s3"),
        ([member("s1"), member("s2", "ill"), member("s3", "ill")], "s2"),
        ([member("s1"), member("s2", "ill")], "new"),
        ([], "s1"),
    ],
    ids=[
        "all are well",
        "the ill one",
        "one of two ill ones",
        "a new one",
        "a cluster that is not there yet",
    ],
)
def test_what_takes_nothing_away_may_be_touched(found: list[Member], touched: str) -> None:
    assert hold(found, touched) == ""


@given(st.lists(st.booleans(), min_size=1, max_size=7))
def test_touching_a_server_never_costs_the_majority(wells: list[bool]) -> None:
    found = [member(f"s{i}", "" if ok else "ill") for i, ok in enumerate(wells)]
    for one in found:
        if len(wells) > 2 and not one.problem and not hold(found, one.name):
            assert sum(wells) - 1 >= majority(len(wells))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=7))
def test_votes_go_only_while_a_majority_decides(servers: list[tuple[bool, bool]]) -> None:
    found = [member(f"s{i}", "" if ok else "ill") for i, (ok, _) in enumerate(servers)]
    leaving = [f"s{i}" for i, (_, leaves) in enumerate(servers) if leaves]
    try:
        refuse_to_forget(found, leaving)
    except KubeError:
        return
    left = list(found)
    for one in in_order(found, leaving):
        assert sum(not each.problem for each in left) >= majority(len(left))
        left.remove(one)
    assert not any(each.problem for each in left)


@pytest.mark.parametrize(
    ("found", "leaving", "words"),
    [
        (
            [member("s1"), member("s2", "ill"), member("s3")],
            ["s3"],
            r"s3 can't leave.*s2: ill.*2 servers would",
        ),
        (
            [member("s1"), member("s2", "ill"), member("s3", "ill")],
            ["s2", "s3"],
            "1 of 3 are well, and 2 must be",
        ),
    ],
)
def test_a_vote_that_is_needed_stays(found: list[Member], leaving: list[str], words: str) -> None:
    with pytest.raises(KubeError, match=words):
        refuse_to_forget(found, leaving)


def test_of_two_that_leave_the_dead_one_goes_first() -> None:
    found = [member("s1"), member("s2"), member("s3", "ill")]
    refuse_to_forget(found, ["s2", "s3"])
    assert [one.name for one in in_order(found, ["s2", "s3"])] == ["s3", "s2"]


class Slow(FakeApi):
    """An API whose node stays for some looks after it was deleted: k3s takes its vote meanwhile."""

    looks = 0

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        if method == "DELETE":
            self.requests.append((method, path, content))
            return b"{}"
        if method == "GET" and path.endswith("/nodes") and self.requests:
            self.looks -= 1
            if self.looks < 0:
                self.objects.clear()
        return super().raw(method, path, body, content=content, **query)


def test_a_deleted_server_is_waited_for_until_its_vote_is_gone() -> None:
    api = Slow(server("s3"))
    api.looks = 3
    forget(api, server("s3"), waiting(), timeout_s=100)
    assert not api.objects


def test_a_vote_that_nobody_takes_is_an_error() -> None:
    api = Slow(server("s3"))
    api.looks = 1000
    with pytest.raises(KubeError, match="s3 still has a vote in etcd after 5 s; look at"):
        forget(api, server("s3"), waiting(), timeout_s=5)


def test_the_first_server_that_is_well_is_asked(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miner_cluster.kube.servers.Api", lambda _, server: SimpleNamespace(server=server))
    found = reach(tmp_path, ["192.0.2.1", "192.0.2.2"], lambda host: "away" if host.endswith("1") else "")
    assert found is not None
    assert found.server == "https://192.0.2.2:6443"
    assert reach(tmp_path, ["192.0.2.1"], lambda _: "away") is None


def library(name: str) -> Any:
    return importlib.import_module("miner_cluster.in_process").module(name)


def test_lost_servers_are_given_up_and_others_are_not() -> None:
    give_up = library("kube_quorum")._forget
    api = FakeApi(server("s1"), server("s2"), server("s3", ready=False), obj("Node", "agent", None))
    assert give_up(api, {"agent", "new"}, well, wait_s=5, check=False) == []
    assert give_up(api, {"s3"}, well, wait_s=5, check=True) == ["s3"]
    assert len(api.objects) == 4
    assert give_up(api, {"s3"}, well, wait_s=5, check=False) == ["s3"]
    assert "/api/v1/nodes/s3" not in api.objects
    with pytest.raises(KubeError, match="s2 is well and not lost; nothing was removed"):
        give_up(api, {"s2"}, well, wait_s=5, check=False)


def test_servers_that_leave_are_those_that_answer_and_are_not_in_the_file() -> None:
    cluster: Any = SimpleNamespace(
        nodes={"s1": SimpleNamespace(ip="192.0.2.1"), "renamed": SimpleNamespace(ip="192.0.2.2")}
    )
    there = [server(name, ready=name != "s4") for name in ("s1", "s2", "s3", "s4", "s5")]
    api = FakeApi(*there, obj("Node", "agent", None))

    def readyz(host: str) -> str:
        return "away" if host.endswith("5") else ""

    assert library("kube_quorum").leaving(cluster, api, readyz) == {
        "s3": "192.0.2.3",
        "s4": "192.0.2.4",
    }


def test_a_lost_name_that_nobody_has_is_said() -> None:
    unknown = library("kube_quorum").unknown
    (said,) = unknown(FakeApi(server("s1"), server("s2")), {"s2", "tow"})
    assert said.startswith("tow is lost, and no machine")
    assert unknown(FakeApi(server("s1")), set()) == []


def test_the_only_server_and_those_that_are_needed_stay() -> None:
    refuse = library("kube_nodes_gone").refuse_servers
    with pytest.raises(KubeError, match=r"serves the cluster's API alone.*nothing was removed"):
        refuse(FakeApi(obj("Node", "box", None)), ["box"], well)
    with pytest.raises(KubeError, match="s1 can't leave the servers: s2: its node is NotReady"):
        refuse(FakeApi(server("s1"), server("s2", ready=False), server("s3")), ["s1"], well)
    refuse(FakeApi(server("s1"), server("s2"), server("s3", ready=False)), ["s3"], well)
