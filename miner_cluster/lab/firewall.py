"""The two rules that a lab adds to this machine's firewall: pure."""

from __future__ import annotations

from miner_cluster.lab.model import Lab

#: chain of each table
CHAINS = {"nat": "POSTROUTING", "filter": "FORWARD"}


def rules(lab: Lab, bridge: str) -> dict[str, str]:
    """Return the wanted rule by table, as `iptables -S` prints it.

    What goes from one machine to another's pods stays on the bridge, yet passes the firewall where bridges
    do. Podman's rule would give it this machine's address, which network policies then see in place of the
    sender's; and a machine that forwards nothing by default would drop it.
    """
    mark = f"-m comment --comment {lab.network}"
    return {
        "nat": f"-A {CHAINS['nat']} -s {lab.subnet} -o {bridge} {mark} -j ACCEPT",
        "filter": f"-A {CHAINS['filter']} -i {bridge} -o {bridge} {mark} -j ACCEPT",
    }
