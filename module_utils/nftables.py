"""What a machine's rulesets of nftables let in, iptables' own among them where nftables keeps those.

Runs on the nodes, from Python 3.8 on. Only rules that let everything of a network or an interface in are
understood, in whatever order they are: others, such as those for single ports, count as none.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft")
TIMEOUT_S = 5
EVERYBODY = "0.0.0.0/0"


class Table:
    """One table, with its chains, their rules, and its sets.

    Args:
        items: of what ``nft --json list table`` prints.
    """

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self._rules: dict[str, list[list[dict[str, Any]]]] = {}
        self._sets: dict[str, list[Any]] = {}
        self._chains: list[dict[str, Any]] = []
        for item in items:
            if "rule" in item:
                self._rules.setdefault(item["rule"]["chain"], []).append(item["rule"]["expr"])
            elif "set" in item:
                self._sets[item["set"]["name"]] = item["set"].get("elem", [])
            elif "chain" in item:
                self._chains.append(item["chain"])

    def closed(self) -> list[str]:
        """Return the chains through which all that comes in goes, and that keep out what no rule lets in."""
        return [
            chain["name"]
            for chain in self._chains
            if is_input(chain) and (chain.get("policy") == "drop" or self._ends_closed(chain["name"]))
        ]

    def allows(self, chain: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """Return from which networks a chain lets all in, with ``%INTERFACE`` where only by that one."""
        found: set[str] = set()
        for rule in self._rules.get(chain, []):
            conditions = [part["match"] for part in rule if "match" in part]
            verdict = [part for part in rule if not {"match", "counter", "log"} & set(part)]
            if len(verdict) != 1:
                continue
            if "accept" in verdict[0]:
                found.update(self._networks(conditions))
            target = (verdict[0].get("jump") or verdict[0].get("goto") or {}).get("target")
            if target and target not in seen and not conditions:
                found |= self.allows(target, seen | {chain})
        return found

    def _ends_closed(self, chain: str) -> bool:
        last = [part for part in self._rules.get(chain, [[]])[-1] if not {"counter", "log"} & set(part)]
        return len(last) == 1 and bool({"drop", "reject"} & set(last[0]))

    def _networks(self, conditions: list[dict[str, Any]]) -> Iterator[str]:
        """Return what the conditions of a rule that accepts let in; nothing where one is not understood."""
        networks, interfaces = [EVERYBODY], [""]
        for condition in conditions:
            left, values = condition["left"], self._values(condition["right"])
            if left == {"payload": {"protocol": "ip", "field": "saddr"}} and condition["op"] == "==":
                networks = [text for text in map(_network, values) if text]
            elif left in ({"meta": {"key": "iif"}}, {"meta": {"key": "iifname"}}) and condition["op"] == "==":
                interfaces = [f"%{value}" for value in values]
            elif left != {"ct": {"key": "state"}} or "new" not in values:
                return
        for network in networks:
            for interface in interfaces:
                yield network + interface

    def _values(self, right: Any) -> list[Any]:
        if isinstance(right, dict) and "set" in right:
            return list(right["set"])
        if isinstance(right, str) and right.startswith("@"):
            return self._sets.get(right[1:], [])
        return list(right) if isinstance(right, list) else [right]


def is_input(chain: dict[str, Any]) -> bool:
    """Return whether all that comes in by IPv4 goes through a chain."""
    return (
        chain.get("hook") == "input" and chain.get("type") == "filter" and chain["family"] in ("inet", "ip")
    )


def firewall(tables: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the first chain that keeps something out, and what all of those that do let in.

    Args:
        tables: what nft prints of each, by family and name.
    """
    closed = [
        (f"{name} {chain}", table.allows(chain))
        for name, table in ((name, Table(items)) for name, items in tables.items())
        for chain in table.closed()
    ]
    if not closed:
        return {"name": "", "allows": []}
    # A packet goes through all of them.
    through = set.intersection(*(allows for _, allows in closed))
    return {"name": "nftables", "allows": sorted(through), "chain": closed[0][0]}


def look() -> dict[str, Any]:
    """Return the firewall that nftables are on this machine."""
    program = next((path for path in PROGRAMS if Path(path).exists()), "")
    chains = [item["chain"] for item in _listed(program, "chains") if "chain" in item]
    names = {f"{chain['family']} {chain['table']}" for chain in chains if is_input(chain)}
    return firewall({name: _listed(program, "table", *name.split()) for name in sorted(names)})


def _listed(program: str, *words: str) -> list[dict[str, Any]]:
    if not program:
        return []
    argv = [program, "--json", "list", *words]
    try:
        done = subprocess.run(  # noqa: S603
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False
        )
        items: list[dict[str, Any]] = json.loads(done.stdout.decode() or "{}").get("nftables", [])
    except (ValueError, subprocess.TimeoutExpired):
        return []
    return items


def _network(value: Any) -> str:
    if isinstance(value, str):
        return value
    prefix = value.get("prefix") if isinstance(value, dict) else None
    return f"{prefix['addr']}/{prefix['len']}" if prefix else ""
