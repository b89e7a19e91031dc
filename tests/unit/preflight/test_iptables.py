"""What rules of iptables let in that nftables does not know of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modules import load_module

surroundings = load_module("node_check").surroundings
iptables, nftables = surroundings.iptables, surroundings.nftables

OPEN = """\
-P INPUT ACCEPT
-P FORWARD DROP
-N KUBE-FIREWALL
-N KUBE-ROUTER-INPUT
-A INPUT -m comment --comment "kube-router netpol" -j KUBE-ROUTER-INPUT
-A INPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED -j DROP
-A KUBE-ROUTER-INPUT -d 10.43.0.0/16 -m comment --comment "allow traffic" -j RETURN
"""
CLOSED = """\
-P INPUT DROP
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -s 10.0.0.0/8 -m comment --comment "the cluster" -j ACCEPT
-A INPUT ! -s 10.9.0.0/16 -j ACCEPT
-A INPUT -i eth1 -j LAN
-N LAN
-A LAN -s 172.31.77.0/24 -j ACCEPT
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which the program prints a file."""
    program = tmp_path / "iptables-legacy"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/rules || exit 3\n")
    program.chmod(0o755)
    (tmp_path / "tables").write_text("nat\nfilter\n")
    monkeypatch.setattr(iptables, "PROGRAMS", (str(program),))
    monkeypatch.setattr(iptables, "IN_USE", tmp_path / "tables")
    monkeypatch.setattr(nftables, "PROGRAMS", ())
    monkeypatch.setattr(surroundings, "running", lambda _: [])
    return tmp_path


def test_rules_that_keep_nobody_out_are_no_firewall(machine: Path) -> None:
    (machine / "rules").write_text(OPEN)
    assert surroundings.firewall(machine) == {"name": "", "allows": []}


def test_what_is_let_in_is_read_from_rules_that_are_understood(machine: Path) -> None:
    (machine / "rules").write_text(CLOSED)
    assert surroundings.firewall(machine) == {
        "name": "iptables",
        "chain": "ip filter INPUT",
        "allows": ["0.0.0.0/0%lo", "10.0.0.0/8", "172.31.77.0/24%eth1"],
    }


def test_a_last_rule_that_refuses_all_closes_it_too(machine: Path) -> None:
    (machine / "rules").write_text("-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with tcp-reset\n")
    assert surroundings.firewall(machine)["name"] == "iptables"


def test_rules_that_can_t_be_read_are_not_taken_for_none(machine: Path) -> None:
    assert "iptables-legacy --list-rules: " in surroundings.firewall(machine)["unread"]


@pytest.mark.parametrize(("name", "allows"), [("cni+", "0.0.0.0/0%cni*"), ("+", "0.0.0.0/0")])
def test_a_plus_at_the_end_of_an_interface_is_any_that_begins_so(
    machine: Path, name: str, allows: str
) -> None:
    (machine / "rules").write_text(f"-P INPUT DROP\n-A INPUT -i {name} -j ACCEPT\n")
    assert surroundings.firewall(machine)["allows"] == [allows]


RETURNED = """\
-N X
-A INPUT -j X
-A X -s 128.0.0.0/1 -j RETURN
-A X -j ACCEPT
"""


@pytest.mark.parametrize(
    "end", ["-P INPUT DROP\n", "-P INPUT ACCEPT\n-A INPUT -j DROP\n", "-P INPUT DROP\n-A INPUT -g X\n"]
)
def test_what_a_chain_leaves_to_a_last_rule_that_refuses_is_kept_out(machine: Path, end: str) -> None:
    (machine / "rules").write_text(RETURNED + end)
    assert surroundings.firewall(machine)["allows"] == ["0.0.0.0/1"]


@pytest.mark.parametrize("end", ["-P INPUT ACCEPT\n", "-P INPUT DROP\n-A INPUT -j ACCEPT\n"])
def test_what_a_chain_leaves_to_one_that_lets_all_in_is_let_in(machine: Path, end: str) -> None:
    (machine / "rules").write_text(RETURNED + end)
    assert surroundings.firewall(machine)["name"] == ""


def test_what_returns_from_the_first_chain_is_left_to_its_policy(machine: Path) -> None:
    (machine / "rules").write_text("-P INPUT ACCEPT\n-A INPUT -s 10.0.0.0/8 -j RETURN\n-A INPUT -j DROP\n")
    assert surroundings.firewall(machine)["allows"] == ["10.0.0.0/8"]
    returns = "-A INPUT -s 10.0.0.0/8 -i eth0 -j RETURN\n-A INPUT -s 10.0.0.0/7 -i eth+ -j ACCEPT\n"
    (machine / "rules").write_text(f"-P INPUT DROP\n{returns}-A INPUT -s 10.9.0.0/16 -i eth0 -j ACCEPT\n")
    assert surroundings.firewall(machine)["allows"] == ["10.0.0.0/7%eth*"]


def test_a_program_that_does_not_run_here_is_named(machine: Path) -> None:
    program = machine / "iptables-legacy"
    program.write_bytes(b"\x7fELF of another machine")
    assert "iptables-legacy --list-rules: [Errno" in surroundings.firewall(machine)["unread"]


def test_tables_that_are_not_in_use_are_not_loaded(machine: Path) -> None:
    (machine / "rules").write_text(CLOSED)
    (machine / "tables").write_text("nat\n")
    assert surroundings.firewall(machine)["name"] == ""
    (machine / "tables").unlink()
    assert surroundings.firewall(machine)["name"] == ""
