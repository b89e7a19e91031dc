"""Which subnets this machine reaches already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from typing import Any

from miner_cluster.lab.commands import run

#: a broader route, such as a VPN's, loses nothing but the lab's own addresses
_NARROW = 16


def routed() -> dict[str, str]:
    """Return the subnets that this machine has routes to, each with its interface."""
    return routed_subnets(json.loads(run("ip", "-4", "-json", "route", "show") or "[]"))


def routed_subnets(routes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the subnets of `ip -json route` that a lab must not hide."""
    found: dict[str, str] = {}
    for route in routes:
        if route["dst"] != "default":
            subnet = IPv4Network(route["dst"], strict=False)
            if subnet.prefixlen >= _NARROW or route.get("scope") == "link":
                found[str(subnet)] = str(route.get("dev", "a route"))
    return found


def podman_subnets() -> dict[str, str]:
    """Return the IPv4 subnets of podman's networks, each with its network; none where podman is not there."""
    if shutil.which("podman") is None:
        return {}
    networks = json.loads(run("podman", "network", "ls", "--format=json") or "[]")
    return {subnet: network["name"] for network in networks for subnet in network_subnets(network)}


def network_subnets(network: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the IPv4 subnets of one of podman's networks."""
    return tuple(entry["subnet"] for entry in network.get("subnets") or () if ":" not in entry["subnet"])
