"""What else runs on a cluster's machines, and how they are connected: what is in the way or may get there.

Pure, as ``preflight`` is: ``library/node_check.py`` collects the facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Any

from miner_cluster.cluster import Cluster, ResolvedNode
from miner_cluster.config_checks import K3S_NETWORKS
from miner_cluster.preflight import Trouble
from module_utils.nftables import meant

Facts = Mapping[str, Any]
#: interfaces that programs make for containers, tunnels and virtual machines, by how their names begin
MADE_UP = ("docker", "br-", "cni", "flannel", "veth", "virbr", "kube-", "lxc", "podman")
TRUST = {
    "ufw": "ufw allow from {}",
    "firewalld": "firewall-cmd --permanent --zone=trusted --add-source={0}",
    "nftables": "nft insert rule {1} ip saddr {0} accept",
    "iptables": "iptables-legacy -I INPUT -s {0} -j ACCEPT",
}
#: for what is passed on, which has a sender and a receiver
PASS_ON = ("nft insert rule {1} ip saddr {0} accept", "nft insert rule {1} ip daddr {0} accept")
#: the interfaces by which pods of this machine, and of others, come
POD_INTERFACES = ("cni0", "flannel.1")
LAST = {
    "firewalld": ["firewall-cmd --reload"],
    "nftables": ["the same in /etc/nftables.conf"],
    "iptables": ["the same where these rules are loaded from, such as /etc/iptables/rules.v4"],
}


def surrounding_troubles(cluster: Cluster, node: ResolvedNode, facts: Facts) -> list[Trouble]:
    """Return what of a machine's surroundings is in the way.

    Args:
        cluster: the configuration.
        node: the machine.
        facts: as ``node_check`` returns them.
    """
    return [
        Trouble(where=node.name, found=found, remedy=remedy)
        for found, remedy in (
            *_kernel(facts),
            *_others(facts),
            *_firewall(cluster, node, facts),
            *_forwarding(cluster, facts),
            *_address(node, facts),
        )
    ]


def surrounding_warnings(cluster: Cluster, facts: Mapping[str, Facts]) -> list[Trouble]:
    """Return what is well enough to begin with, and may not stay so.

    Args:
        cluster: the configuration.
        facts: of each machine that could be looked at.
    """
    return [
        Trouble(where=name, found=found, remedy=remedy)
        for name in cluster.nodes
        if name in facts
        for found, remedy in (
            *_clock(facts[name]),
            *_docker(facts[name]),
            *_unread(facts[name]),
            *_names(facts[name]),
            *_gpu(facts[name]),
        )
    ] + [*_mtu(cluster, facts), *_vip(cluster, facts)]


def interface(node: ResolvedNode, facts: Facts) -> Mapping[str, Any] | None:
    """Return the interface that has a machine's address of the file, with its MTU; None where none has."""
    return next((found for found in facts["addresses"] if found["address"] == node.ip), None)


def _kernel(facts: Facts) -> Iterator[tuple[str, str]]:
    if missing := facts["missing_modules"]:
        yield (
            f"its kernel has no {', '.join(missing)}",
            "reboot it where its kernel was updated, else install the kernel's modules "
            "(Debian: linux-image-amd64, Ubuntu: linux-modules-extra-$(uname -r))",
        )
    if missing := facts["missing_controllers"]:
        yield (
            f"its kernel does not limit {', '.join(missing)} (control groups that are switched off)",
            f"add {' '.join(f'cgroup_enable={name}' for name in missing)} to the kernel's command line and "
            "reboot it",
        )


def _others(facts: Facts) -> Iterator[tuple[str, str]]:
    for unit in facts["kubernetes"]:
        yield (
            f"runs another Kubernetes ({unit}.service)",
            f"remove it as it was installed, or at least: systemctl disable --now {unit}",
        )


def _firewall(cluster: Cluster, node: ResolvedNode, facts: Facts) -> Iterator[tuple[str, str]]:
    """A firewall is no trouble where it lets in the other machines, pods and services."""
    name = facts["firewall"]["name"]
    if not name or cluster.ignore_firewalls:
        return
    has = interface(node, facts)
    allows = facts["firewall"]["allows"]
    # Other machines come by the interface that has its address; pods come from the machine itself.
    there = _allowed(allows, has["interface"] if has else "")
    others = [other.ip for other in cluster.nodes.values() if other.name != node.name]
    shut = [
        *(text for text in others if not _within(text, there)),
        *_pods_kept_out(allows, [str(network) for network in K3S_NETWORKS.values()]),
    ]
    if shut:
        commands = [TRUST[name].format(text, facts["firewall"].get("chain")) for text in shut]
        commands += LAST.get(name, [])
        yield (
            f"its firewall {name} keeps out {', '.join(shut)}, which are machines, pods and services of this "
            "cluster",
            f"{'; '.join(commands)}. Where they are let in by other rules: cluster.ignore_firewalls: true",
        )


def _forwarding(cluster: Cluster, facts: Facts) -> Iterator[tuple[str, str]]:
    """What pods send to those of other machines is passed on, at both ends."""
    forward = facts["firewall"].get("forward")
    if not forward or cluster.ignore_firewalls:
        return
    if shut := _pods_kept_out(forward["allows"], [str(K3S_NETWORKS["pods"])]):
        commands = [command.format(text, forward["chain"]) for text in shut for command in PASS_ON]
        yield (
            f"its firewall nftables passes on nothing of {', '.join(shut)}, so pods do not reach those of "
            "other machines",
            f"{'; '.join([*commands, *LAST['nftables']])}. Where they are let through by other rules: "
            "cluster.ignore_firewalls: true",
        )


def _pods_kept_out(allows: Sequence[str], networks: Sequence[str]) -> list[str]:
    """Return which of these networks a firewall keeps out, by whichever interface pods come."""
    by = [_allowed(allows, name) for name in POD_INTERFACES]
    return [text for text in networks if not all(_within(text, allowed) for allowed in by)]


def _within(text: str, networks: Sequence[IPv4Network]) -> bool:
    return any(IPv4Network(text).subnet_of(network) for network in networks)


def _allowed(allows: Sequence[str], by: str) -> list[IPv4Network]:
    """Return what a firewall lets in by an interface; with none, what it lets in by all."""
    rules = [text.partition("%") for text in allows if ":" not in text]
    return [IPv4Network(network, strict=False) for network, _, name in rules if meant(name, by)]


def _unread(facts: Facts) -> Iterator[tuple[str, str]]:
    if why := facts["firewall"].get("unread"):
        yield (
            f"nobody knows whether its firewall lets in the other machines, pods and services ({why})",
            "run that command there as root, and mend what it says",
        )


def _address(node: ResolvedNode, facts: Facts) -> Iterator[tuple[str, str]]:
    if not facts["addresses"]:
        return
    own = [
        f"{found['address']} ({found['interface']})"
        for found in facts["addresses"]
        if not ip_address(found["address"]).is_loopback and not found["interface"].startswith(MADE_UP)
    ]
    has = interface(node, facts)
    remedy = f"write one of its own as cluster.nodes.{node.name}.ip: {', '.join(own) or 'it has none'}"
    if has is None:
        yield f"none of its interfaces has its address {node.ip}", remedy
    elif has["interface"].startswith(MADE_UP):
        yield (
            f"its address {node.ip} is that of {has['interface']}, which other machines do not reach",
            remedy,
        )


def _clock(facts: Facts) -> Iterator[tuple[str, str]]:
    if not facts["clock"] and not facts["container"]:
        yield (
            "nothing keeps its clock right: certificates and leases fail when it has drifted",
            "apt-get install chrony, or: timedatectl set-ntp true",
        )


def _docker(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts["docker"]:
        yield (
            "runs Docker, which k3s does not need and whose rules may drop what pods send to other machines",
            "remove it (apt-get purge docker.io docker-ce), or keep it if nothing is missed",
        )


def _names(facts: Facts) -> Iterator[tuple[str, str]]:
    if not any(not ip_address(text.partition("%")[0]).is_loopback for text in facts["nameservers"]):
        yield (
            "has no name server that pods can reach, so k3s gives them 8.8.8.8",
            "name one in /etc/resolv.conf, by the machine's network configuration",
        )


def _gpu(facts: Facts) -> Iterator[tuple[str, str]]:
    for sentence in facts["nvidia"]["missing"] if facts["nvidia"]["gpus"] else ():
        found, _, remedy = sentence.partition("; ")
        yield found, remedy


def _mtu(cluster: Cluster, facts: Mapping[str, Facts]) -> list[Trouble]:
    has = {name: interface(cluster.nodes[name], found) for name, found in facts.items()}
    least = min((found["mtu"] for found in has.values() if found), default=0)
    return [
        Trouble(
            where=name,
            found=f"{found['interface']} sends packets of {found['mtu']} bytes, others take {least}",
            remedy=f"give all machines the same MTU, here for now: ip link set dev {found['interface']} mtu "
            f"{least}, and for good in its network configuration",
        )
        for name, found in has.items()
        if found and found["mtu"] != least
    ]


def _vip(cluster: Cluster, facts: Mapping[str, Facts]) -> Iterator[Trouble]:
    """The API's address is at one server, unless they do not hear each other."""
    holders = [
        name
        for name in cluster.servers
        if any(one["address"] == cluster.api_vip for one in facts.get(name, {}).get("addresses", []))
    ]
    for name in holders if len(holders) > 1 else ():
        yield Trouble(
            where=name,
            found=f"has the API's address {cluster.api_vip} while "
            f"{', '.join(other for other in holders if other != name)} has it too: VRRP does not get through",
            remedy="let IP protocol 112 pass between the servers, in their firewalls and in the network's",
        )
