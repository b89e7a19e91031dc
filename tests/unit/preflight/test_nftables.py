"""Which machines' rulesets keep something out, and what they let in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.modules import load_module

nftables = load_module("node_check").surroundings.nftables
#: `nft --json list table inet filter`, without the line about itself
RULES = json.loads((Path(__file__).parent / "ruleset.json").read_text())


ACCEPT: dict[str, Any] = {"accept": None}
SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}


def chain(
    policy: str, *rules: list[dict[str, Any]], family: str = "inet", **more: Any
) -> list[dict[str, Any]]:
    about = {
        "family": family,
        "table": "t",
        "name": "in",
        "type": "filter",
        "hook": "input",
        "policy": policy,
    }
    return [{"chain": about | more}, *({"rule": {"chain": "in", "expr": rule}} for rule in rules)]


def saddr(network: str) -> dict[str, Any]:
    address, _, length = network.partition("/")
    right = {"prefix": {"addr": address, "len": int(length)}} if length else address
    return {"match": {"op": "==", "left": SADDR, "right": right}}


def via(interface: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": interface}}


def test_what_lets_everything_of_a_network_or_an_interface_in_is_read_from_a_real_ruleset() -> None:
    assert nftables.firewall({"inet filter": RULES}) == {
        "name": "nftables",
        "chain": "inet filter input",
        "allows": sorted(
            [
                *("0.0.0.0/0%lo", "0.0.0.0/0%eth1", "0.0.0.0/0%eth2", "0.0.0.0/0%eth3"),
                *("10.42.0.0/16", "10.43.0.0/16"),  # of a named set
                *("10.1.2.3", "10.5.0.0/16", "10.8.0.0/16", "10.7.0.0/16%eth4"),
                "172.31.77.0/24",  # of a chain that it jumps to
            ]
        ),
        "forward": {"name": "nftables", "chain": "inet filter forward", "allows": []},
    }


@pytest.mark.parametrize(
    "table",
    [
        [],
        chain("accept"),
        chain("accept", [saddr("10.0.0.0/8"), {"drop": None}]),
        chain("drop", family="ip6"),
        chain("accept", [ACCEPT], [{"drop": None}]),
        chain("drop", [{"counter": {}}, ACCEPT]),
        chain("accept", [{"return": None}], [{"drop": None}]),
    ],
)
def test_what_keeps_nobody_out_is_no_firewall(table: list[dict[str, Any]]) -> None:
    assert nftables.firewall({"inet t": table}) == {"name": "", "allows": []}


@pytest.mark.parametrize("verdict", [{"drop": None}, {"reject": {"type": "icmpx"}}])
def test_a_last_rule_that_refuses_all_is_one_too(verdict: dict[str, Any]) -> None:
    table = chain("accept", [saddr("10.0.0.0/8"), {"counter": {}}, ACCEPT], [{"counter": {}}, verdict])
    found = nftables.firewall({"inet t": table})
    assert (found["name"], found["allows"]) == ("nftables", ["10.0.0.0/8"])


def test_what_comes_in_has_to_pass_all_chains() -> None:
    first = chain("drop", [saddr("10.0.0.0/8"), ACCEPT], [saddr("10.1.1.1"), ACCEPT])
    second = chain("drop", [saddr("10.0.0.0/8"), ACCEPT], family="ip")
    assert nftables.firewall({"inet a": first, "ip b": second})["allows"] == ["10.0.0.0/8", "10.1.1.1"]
    everybody, part = chain("drop", [via("eth0"), ACCEPT]), chain("drop", [saddr("10.0.0.0/8"), ACCEPT])
    assert nftables.firewall({"inet a": everybody, "ip b": part})["allows"] == ["10.0.0.0/8%eth0"]
    apart = chain("drop", [saddr("10.0.0.0/9"), via("eth1"), ACCEPT])
    assert nftables.firewall({"inet a": everybody, "ip b": apart})["allows"] == []


def test_chains_that_jump_to_each_other_end() -> None:
    table = chain("drop", [{"jump": {"target": "in"}}], [{"goto": {"target": "none"}}])
    assert nftables.firewall({"inet t": table})["allows"] == []


def test_only_what_is_new_is_let_in_by_a_rule_about_states() -> None:
    state = {"ct": {"key": "state"}}
    new = {"match": {"op": "in", "left": state, "right": ["new", "established"]}}
    old = {"match": {"op": "in", "left": state, "right": "established"}}
    table = chain("drop", [new, saddr("10.0.0.0/8"), ACCEPT], [old, saddr("10.9.0.0/16"), ACCEPT])
    assert nftables.firewall({"inet t": table})["allows"] == ["10.0.0.0/8"]


def other(name: str, *rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chain to which others lead."""
    about = {"family": "inet", "table": "t", "name": name}
    return [{"chain": about}, *({"rule": {"chain": name, "expr": rule}} for rule in rules)]


@pytest.mark.parametrize("leads", [{"jump": {"target": "end"}}, {"goto": {"target": "end"}}])
def test_a_chain_that_leads_to_one_that_refuses_all_is_closed_too(leads: dict[str, Any]) -> None:
    table = chain("accept", [saddr("10.0.0.0/8"), ACCEPT], [leads]) + other("end", [{"drop": None}])
    assert nftables.firewall({"inet t": table})["allows"] == ["10.0.0.0/8"]
    table = chain("accept", [leads]) + other("end", [saddr("10.0.0.0/8"), {"drop": None}])
    assert nftables.firewall({"inet t": table})["name"] == ""


def test_what_leads_to_a_chain_by_a_condition_gets_no_more_than_both_let_in() -> None:
    table = chain("drop", [via("eth0"), {"jump": {"target": "lan"}}])
    table += other("lan", [saddr("10.0.0.0/8"), ACCEPT])
    assert nftables.firewall({"inet t": table})["allows"] == ["10.0.0.0/8%eth0"]


def test_of_two_patterns_of_interfaces_the_narrower_one_holds() -> None:
    table = chain("drop", [via("e*"), {"jump": {"target": "lan"}}])
    table += other("lan", [via("eth*"), ACCEPT], [via("wlan0"), ACCEPT])
    assert nftables.firewall({"inet t": table})["allows"] == ["0.0.0.0/0%eth*"]
    table = chain("drop", [via("eth*"), {"jump": {"target": "lan"}}]) + other("lan", [via("eth1"), ACCEPT])
    assert nftables.firewall({"inet t": table})["allows"] == ["0.0.0.0/0%eth1"]


def test_elements_of_sets_may_have_comments_and_timeouts() -> None:
    elements = [{"elem": {"val": "10.1.1.1", "comment": "the server"}}, "10.1.1.2"]
    rule = {"match": {"op": "==", "left": SADDR, "right": "@cluster"}}
    table = [*chain("drop", [rule, ACCEPT]), {"set": {"name": "cluster", "elem": elements}}]
    assert nftables.firewall({"inet t": table})["allows"] == ["10.1.1.1", "10.1.1.2"]


def test_what_is_passed_on_is_looked_at_apart_but_for_iptables_where_k3s_lets_pods_through() -> None:
    table = chain("drop", [saddr("10.42.0.0/16"), ACCEPT], hook="forward")
    forward = {"name": "nftables", "chain": "inet t in", "allows": ["10.42.0.0/16"]}
    assert nftables.firewall({"inet t": table}) == {"name": "", "allows": [], "forward": forward}
    assert nftables.firewall({"ip filter": table}) == {"name": "", "allows": []}


def test_a_machine_without_the_program_has_no_such_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "PROGRAMS", ("/nowhere/nft",))
    assert nftables.look() == {"name": "", "allows": []}


def test_a_ruleset_that_can_t_be_read_is_not_taken_for_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for text, why in (
        ("echo no rights >&2; exit 1", "no rights"),
        ("echo no JSON", "Expecting"),
        ("exec sleep 9", "timed out"),
    ):
        monkeypatch.setattr(nftables, "TIMEOUT_S", 0.5)
        program = tmp_path / "nft"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setattr(nftables, "PROGRAMS", (str(program),))
        found = nftables.look()
        assert (found["name"], found["allows"]) == ("", [])
        assert "--json list chains: " in found["unread"]
        assert why in found["unread"]


def test_a_program_that_does_not_run_here_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nft"
    program.write_bytes(b"\x7fELF of another machine")
    monkeypatch.setattr(nftables, "PROGRAMS", (str(program),))
    assert f"{program} --json list chains: [Errno" in nftables.look()["unread"]


def test_a_machine_is_asked_for_the_tables_that_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "chains").write_text(json.dumps({"nftables": [item for item in RULES if "chain" in item]}))
    (tmp_path / "table").write_text(json.dumps({"nftables": RULES}))
    program = tmp_path / "nft"
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/$3"\necho "$@" >>{tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setattr(nftables, "PROGRAMS", (str(program),))
    assert nftables.look()["chain"] == "inet filter input"
    assert (tmp_path / "asked").read_text().splitlines() == [
        "--json list chains",
        "--json list table inet filter",
    ]
