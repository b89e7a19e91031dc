"""What a machine's rules of iptables let in where nftables does not keep them (iptables-legacy).

Runs on the nodes, from Python 3.8 on. Read as rulesets of nftables are: a rule with more than a sender, an
interface and a comment counts as one that is not understood.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

from . import nftables

PROGRAMS = ("/usr/sbin/iptables-legacy", "/sbin/iptables-legacy")
#: names the tables that are in use; looking by the program would load them
IN_USE = Path("/proc/net/ip_tables_names")
_TABLE, _CHAIN = "filter", "INPUT"
#: what nft calls a sender and an interface
_FIELDS = {"-s": {"payload": {"protocol": "ip", "field": "saddr"}}, "-i": {"meta": {"key": "iifname"}}}
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}


def items(text: str) -> list[dict[str, Any]]:
    """Return what ``iptables --list-rules`` prints as nft would print it."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        command, name, *words = shlex.split(line)
        if command == "-P":
            hook = {"hook": "input", "type": "filter", "policy": words[0].lower()} if name == _CHAIN else {}
            found.append({"chain": {"family": "ip", "name": name, **hook}})
        elif command == "-A":
            found.append({"rule": {"chain": name, "expr": _expressions(words)}})
    return found


def look() -> dict[str, Any]:
    """Return the firewall that iptables-legacy is on this machine, as nftables are looked at."""
    program = next((path for path in PROGRAMS if Path(path).exists()), "")
    if not program or _TABLE not in _tables():
        return nftables.firewall({})
    argv = [program, "--list-rules"]
    try:
        done = subprocess.run(  # noqa: S603
            argv, capture_output=True, timeout=nftables.TIMEOUT_S, check=True
        )
        found = nftables.firewall({nftables.IPTABLES: items(done.stdout.decode())})
    except (ValueError, OSError, subprocess.SubprocessError) as error:
        return {**nftables.firewall({}), "unread": f"{' '.join(argv)}: {error}"}
    return {**found, "name": "iptables"} if found["name"] else found


def _tables() -> list[str]:
    try:
        return IN_USE.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _expressions(words: list[str]) -> list[dict[str, Any]]:
    """Return the parts of a rule; what is not understood is one that no reader knows."""
    parts: list[dict[str, Any]] = []
    rest = iter(words)
    for word in rest:
        if word in _FIELDS:
            right = next(rest)
            right = nftables.as_pattern(right) if word == "-i" else right
            parts.append({"match": {"op": "==", "left": _FIELDS[word], "right": right}})
        elif word in ("--comment", "--reject-with"):
            next(rest)
        elif word == "-m":
            if (module := next(rest)) != "comment":
                parts.append({"xt": module})
        elif word in ("-j", "-g"):
            parts.append(_verdict(next(rest), "goto" if word == "-g" else "jump"))
        else:
            parts.append({"xt": word})
    return parts


def _verdict(target: str, leads: str) -> dict[str, Any]:
    known = _VERDICTS.get(target)
    return {known: None} if known else {leads: {"target": target}}
