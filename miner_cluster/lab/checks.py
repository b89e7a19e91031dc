"""What keeps a lab from being made here, found before anything is touched: pure."""

from __future__ import annotations

from ipaddress import IPv4Network

from miner_cluster.lab.errors import LabError
from miner_cluster.lab.model import Found, Lab


def check_names(lab: Lab) -> None:
    """Refuse a machine that can't be told from the site.

    Raises:
        LabError: with the name.
    """
    if lab.site and any(machine.name == "site" for machine in lab.machines):
        raise LabError(
            "a machine can't be called site, as the lab's video site is; rename it in cluster.nodes"
        )


def check_key(lab: Lab, found: Found) -> None:
    """Refuse to make a key that the user named.

    Raises:
        LabError: with its place.
    """
    if not found.public_key and not lab.ssh_key.is_relative_to(lab.state_dir):
        raise LabError(
            f"cluster.ssh.key: {lab.ssh_key} or {lab.ssh_key}.pub is not there; make both (ssh-keygen), or "
            "leave the key out and get one that is the lab's own"
        )


def check_subnet(lab: Lab, found: Found) -> None:
    """Refuse a subnet that leads somewhere else already.

    Raises:
        LabError: with what it belongs to.
    """
    taken = dict(found.routes)
    for network in found.networks.values():
        if network.name != lab.network:
            taken |= dict.fromkeys(network.subnets, f"podman's network {network.name}")
    own_bridge = found.networks[lab.network].bridge if lab.network in found.networks else ""
    for subnet, owner in taken.items():
        if owner != own_bridge and IPv4Network(subnet).overlaps(lab.subnet):
            raise LabError(
                f"the lab {lab.name} needs {lab.subnet}, and {owner} has {subnet} on this machine: give "
                "cluster.nodes other addresses, or make a lab with a free subnet (make lab LAB=NAME)"
            )


def check_room(lab: Lab, found: Found, *, new_disks: int, starting: int) -> None:
    """Refuse to start machines for which this one is too small.

    Raises:
        LabError: with what is there and what is needed.
    """
    disk, memory = new_disks * min(lab.need_disk_mb, lab.disk_mb), starting * lab.need_memory_mb
    if found.free_disk_mb < disk:
        raise LabError(
            f"{found.free_disk_mb} MB are free where {lab.state_dir} lies, and {new_disks} new machines need "
            f"{disk} MB: make room there"
        )
    if found.free_memory_mb < memory:
        raise LabError(
            f"{found.free_memory_mb} MB of memory are available, and {starting} machines need {memory} MB: "
            "end something, or take nodes out of cluster.nodes"
        )


def check_disks(lab: Lab, found: Found) -> None:
    """Refuse to make a disk smaller.

    Raises:
        LabError: with its size.
    """
    for machine in lab.machines:
        size_mb = found.disks.get(lab.disk(machine).name, 0) >> 20
        if size_mb > lab.disk_mb:
            raise LabError(
                f"the disk of {machine.name} has {size_mb} MB and can't shrink to {lab.disk_mb}: write "
                f"lab.disk_mb: {size_mb} or more, or make the lab anew (make lab-down first)"
            )
