"""Machines that can't be reached: which a run goes on without, and what it says of them."""

from __future__ import annotations

from typing import Any

import pytest

from filter_plugins.preflight import preflight_report
from miner_cluster.cluster import Cluster
from miner_cluster.preflight import left_out, left_out_text
from tests.unit.preflight.conftest import NOW_S, Look


def with_servers(cluster: Cluster, count: int) -> Cluster:
    """The cluster with its first so many machines as servers."""
    nodes = {
        name: node.model_copy(update={"role": "server" if number < count else "agent"})
        for number, (name, node) in enumerate(cluster.nodes.items())
    }
    return cluster.model_copy(update={"nodes": nodes})


@pytest.mark.parametrize(
    ("servers", "away", "expected"),
    [
        (1, ["lab-agent-1", "lab-agent-2"], ["lab-agent-1", "lab-agent-2"]),
        (1, ["lab-server", "lab-agent-2"], ["lab-agent-2"]),
        (3, ["lab-agent-2"], ["lab-agent-2"]),
        (3, ["lab-server"], []),
        (3, ["lab-agent-1", "lab-agent-2"], []),
    ],
)
def test_a_run_goes_on_without_machines_that_the_others_do_not_need(
    cluster: Cluster, servers: int, away: list[str], expected: list[str]
) -> None:
    troubles = left_out(with_servers(cluster, servers), dict.fromkeys(away, "no answer in 5 s"))
    assert [trouble.where for trouble in troubles] == expected


def seen(
    cluster: Cluster, facts: Look, away: str, *, leave_out: bool, limited: bool = False
) -> dict[str, Any]:
    looks = {name: {} if name == away else {"facts": facts()} for name in cluster.nodes}
    if limited:
        del looks[away]
    for name, node in cluster.nodes.items():
        if name != away:
            looks[name]["facts"]["addresses"][1] = {
                "interface": "eth0", "address": node.ip, "prefix": 24, "mtu": 1500
            }  # fmt: skip
    reasons = {away: "no answer in 5 s"}
    return preflight_report(cluster.plain(), looks, reasons, NOW_S, {}, leave_out=leave_out)


def test_what_is_left_out_is_in_nobodys_way_and_still_a_problem(cluster: Cluster, facts: Look) -> None:
    found = seen(cluster, facts, "lab-agent-1", leave_out=True)
    assert found["problems"] == ""
    assert (
        "172.31.77.11:22 can't be reached (no answer in 5 s); start the lab"
        in found["left_out"]["lab-agent-1"]
    )
    assert "lab-agent-1" in {problem["where"] for problem in found["report"]["problems"]}
    assert "1 of 3 machines could not be reached and were left out" in found["left_out_text"]
    assert "→ start the lab" in found["left_out_text"]


def test_a_run_that_is_limited_to_others_says_nothing_of_a_machine_that_is_away(
    cluster: Cluster, facts: Look
) -> None:
    found = seen(cluster, facts, "lab-agent-1", leave_out=True, limited=True)
    assert found["problems"] == ""
    assert found["left_out_text"] == ""
    assert [*found["left_out"]] == ["lab-agent-1"]  # its node is not waited for


def test_a_machine_that_can_not_be_left_out_is_in_the_way(cluster: Cluster, facts: Look) -> None:
    for away, leave_out in (("lab-server", True), ("lab-agent-1", False)):
        found = seen(cluster, facts, away, leave_out=leave_out)
        assert f"{away} " in found["problems"]
        assert found["left_out"] == {}
        assert found["left_out_text"] == ""


def test_with_all_machines_there_nothing_is_said(cluster: Cluster) -> None:
    assert left_out_text(cluster, left_out(cluster, {})) == ""
