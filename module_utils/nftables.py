"""What a machine's rulesets of nftables let in, iptables' own among them where nftables keeps those.

Runs on the nodes, from Python 3.8 on. Only rules that let everything of a network or an interface in are
understood, in whatever order they are: others, such as those for single ports, count as none.
Where an interface's name ends with ``*``, all that begin so are meant.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

PROGRAMS = ("/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft")
TIMEOUT_S = 5
EVERYBODY = "0.0.0.0/0"
#: the table that iptables keeps with nftables
IPTABLES = "ip filter"


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

    def closed(self, hook: str) -> list[str]:
        """Return the chains through which all at a hook goes, and that keep out what no rule lets in."""
        return [
            chain["name"]
            for chain in self._chains
            if is_base(chain, hook)
            and (self._ends(chain["name"], frozenset()) or self._policy(chain["name"])) in ("drop", "reject")
        ]

    def allows(self, chain: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """Return from which networks a chain lets all in, with ``%INTERFACE`` where only by that one."""
        found: set[str] = set()
        returned: set[str] = set()
        for rule in self._rules.get(chain, []):
            conditions, verdict = _parts(rule)
            all_of = set(self._networks(conditions))
            if verdict == "accept" or (verdict == "return" and self._policy(chain) == "accept"):
                found |= without(all_of, returned)
            elif verdict == "return":
                returned |= all_of
            target = _target(rule)
            if target and target not in seen:
                found |= without(both(all_of, self.allows(target, seen | {chain})), returned)
        return found

    def _policy(self, chain: str) -> str:
        """Return what happens to all that comes to the end of a base chain; empty for another chain."""
        found = next((one.get("policy") for one in self._chains if one["name"] == chain), None)
        return found or ""

    def _ends(self, chain: str, seen: frozenset[str]) -> str:
        """Return the verdict to which all comes that no rule with a condition takes out; empty for none."""
        some_return = False
        for rule in self._rules.get(chain, []):
            conditions, verdict = _parts(rule)
            if conditions:
                some_return |= verdict == "return" and any(self._networks(conditions))
                continue
            target = _target(rule)
            found = verdict if verdict in ("accept", "drop", "reject") else ""
            if target and target not in seen:
                found = self._ends(target, seen | {chain})
            if found or verdict in ("goto", "return"):
                # What returned was not accepted by this chain, and what follows may refuse it.
                return "" if found == "accept" and some_return else found
        return ""

    def _networks(self, conditions: list[dict[str, Any]]) -> Iterator[str]:
        """Return what the conditions of a rule that accepts let in; nothing where one is not understood."""
        networks, interfaces = [EVERYBODY], [""]
        for condition in conditions:
            left, values = condition["left"], self._values(condition["right"])
            if left == {"payload": {"protocol": "ip", "field": "saddr"}} and condition["op"] == "==":
                networks = [text for text in map(_network, values) if text]
            elif left in ({"meta": {"key": "iif"}}, {"meta": {"key": "iifname"}}) and condition["op"] == "==":
                interfaces = [f"%{value}" if value != "*" else "" for value in values]
            elif left != {"ct": {"key": "state"}} or "new" not in values:
                return
        for network in networks:
            for interface in interfaces:
                yield network + interface

    def _values(self, right: Any) -> list[Any]:
        if isinstance(right, dict) and "set" in right:
            found = right["set"]
        elif isinstance(right, str) and right.startswith("@"):
            found = self._sets.get(right[1:], [])
        else:
            found = right
        return [_element(value) for value in (found if isinstance(found, list) else [found])]


def is_base(chain: dict[str, Any], hook: str) -> bool:
    """Return whether all that comes to a hook by IPv4 goes through a chain."""
    return chain.get("hook") == hook and chain.get("type") == "filter" and chain["family"] in ("inet", "ip")


def both(one: set[str], other: set[str]) -> set[str]:
    """Return what two filters let in, of what each of them does."""
    found = set()
    for text in one:
        for against in other:
            (network, _, interface), (limit, _, by) = text.partition("%"), against.partition("%")
            smaller = _smaller(network, limit)
            if smaller and (meant(by, interface) or meant(interface, by)):
                name = interface if meant(by, interface) else by
                found.add(f"{smaller}%{name}" if name else smaller)
    return found


def without(some: set[str], taken: set[str]) -> set[str]:
    """Return what a filter lets in of what another one has left."""
    for text in taken:
        some = {left for one in some for left in _less(one, text)}
    return some


def meant(pattern: str, interface: str) -> bool:
    """Return whether a rule for interfaces of a name, or of all names for none, is for this one too."""
    begins = pattern.endswith("*") and interface.startswith(pattern[:-1])
    return begins or pattern in ("", interface)


def as_pattern(name: str) -> str:
    """Return the name of an interface where a last plus stands for all that begin so."""
    return f"{name[:-1]}*" if name.endswith("+") else name


def firewall(tables: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the first chain that keeps something out, and what all of those that do let in.

    ``forward`` has the same of what is passed on, such as what pods send to other machines: no chain of the
    machine's own iptables, in which k3s and flannel let their pods through.

    Args:
        tables: what nft prints of each, by family and name.
    """
    known = {name: Table(items) for name, items in tables.items()}
    forward = _closed({name: table for name, table in known.items() if name != IPTABLES}, "forward")
    return {"name": "", "allows": [], **_closed(known, "input"), **({"forward": forward} if forward else {})}


def look() -> dict[str, Any]:
    """Return the firewall that nftables are on this machine; ``unread`` says why that is not known."""
    program = next((path for path in PROGRAMS if Path(path).exists()), "")
    if not program:
        return firewall({})
    try:
        chains = [item["chain"] for item in _listed(program, "chains") if "chain" in item]
        names = {
            f"{chain['family']} {chain['table']}"
            for chain in chains
            if is_base(chain, "input") or is_base(chain, "forward")
        }
        return firewall({name: _listed(program, "table", *name.split()) for name in sorted(names)})
    except UnreadError as error:
        return {**firewall({}), "unread": str(error)}


class UnreadError(Exception):
    """The rulesets could not be read."""


def _closed(tables: dict[str, Table], hook: str) -> dict[str, Any]:
    closed = [
        (f"{name} {chain}", table.allows(chain))
        for name, table in tables.items()
        for chain in table.closed(hook)
    ]
    if not closed:
        return {}
    # A packet goes through all of them.
    through = {EVERYBODY}
    for _, allows in closed:
        through = both(through, allows)
    return {"name": "nftables", "allows": sorted(through), "chain": closed[0][0]}


def _listed(program: str, *words: str) -> list[dict[str, Any]]:
    argv = [program, "--json", "list", *words]
    try:
        done = subprocess.run(  # noqa: S603
            argv, capture_output=True, timeout=TIMEOUT_S, check=False
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise UnreadError(f"{' '.join(argv)}: {(said or ['it fails'])[0]}")
        items: list[dict[str, Any]] = json.loads(done.stdout.decode() or "{}").get("nftables", [])
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        raise UnreadError(f"{' '.join(argv)}: {error}") from error
    return items


def _parts(rule: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Return the conditions of a rule and its verdict; empty where it is none or several."""
    conditions = [part["match"] for part in rule if "match" in part]
    rest = [part for part in rule if not {"match", "counter", "log"} & set(part)]
    return conditions, next(iter(rest[0])) if len(rest) == 1 else ""


def _target(rule: list[dict[str, Any]]) -> str:
    """Return the chain to which a rule leads; empty where it is no such rule."""
    rest = [part for part in rule if not {"match", "counter", "log"} & set(part)]
    found = (rest[0].get("jump") or rest[0].get("goto")) if len(rest) == 1 else None
    return str(found["target"]) if found else ""


def _element(value: Any) -> Any:
    """Return an element of a set without its comment or timeout."""
    return value["elem"]["val"] if isinstance(value, dict) and "elem" in value else value


def _smaller(one: str, other: str) -> str:
    """Return the one of two networks that lies in the other; empty where none does."""
    try:
        networks = [(ip_network(text, strict=False), text) for text in (one, other)]
    except ValueError:  # it names no network of IPv4
        return one if one == other else ""
    (first, text), (second, against) = networks
    if first.version != second.version:
        return ""
    low, high = first[0], first[-1]
    if low in second and high in second:
        return text
    return against if second[0] in first and second[-1] in first else ""


def _less(one: str, taken: str) -> set[str]:
    """Return what is left of what is let in, as far as it can be said in the same words."""
    (network, _, interface), (other, _, by) = one.partition("%"), taken.partition("%")
    smaller = _smaller(network, other) if meant(by, interface) else ""
    if not smaller:
        return {one}
    if smaller == network:
        return set()
    rest = ip_network(network, strict=False).address_exclude(ip_network(other, strict=False))  # type: ignore[arg-type]
    return {f"{left}%{interface}" if interface else str(left) for left in rest}


def _network(value: Any) -> str:
    if isinstance(value, str):
        return value
    prefix = value.get("prefix") if isinstance(value, dict) else None
    return f"{prefix['addr']}/{prefix['len']}" if prefix else ""
