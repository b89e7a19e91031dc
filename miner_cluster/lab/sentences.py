"""What a plan does, in words: pure."""

from __future__ import annotations

from collections.abc import Iterator

from miner_cluster.lab.model import Found, Lab
from miner_cluster.lab.plan import Plan


def sentences(lab: Lab, plan: Plan, found: Found) -> list[str]:
    """Return one sentence for each thing that a plan does; none where it does nothing."""
    return [*_host(plan, found), *_removals(plan), *_additions(lab, plan)]


def _host(plan: Plan, found: Found) -> Iterator[str]:
    for key, value in plan.sysctls.items():
        before = found.sysctls.get(key, "unset")
        yield f"this machine's {key} goes from {before} to {value}, until the last lab goes or it boots"
    for key, value in plan.restore_sysctls.items():
        if found.sysctls.get(key) != value:
            yield f"this machine's {key} goes back from {found.sysctls.get(key)} to {value}"


def _removals(plan: Plan) -> Iterator[str]:
    for name, why in plan.remove_containers.items():
        yield f"container {name} goes: {why}"
    if any(plan.remove_rules.values()):
        yield "old firewall rules go"
    if plan.remove_network:
        yield "the network goes"
    for device in plan.detach_loops:
        yield f"loop device {device}, which nothing uses, goes"
    if plan.remove_state:
        yield f"disks, keys and files go: {', '.join(plan.remove_state)}"


def _additions(lab: Lab, plan: Plan) -> Iterator[str]:
    if plan.import_image:
        yield "the machines' root file system is imported"
    if plan.make_key:
        yield f"an SSH key is made: {lab.ssh_key}"
    for name in plan.make_disks:
        yield f"{name} gets a disk of {lab.disk_mb} MB"
    for name in plan.grow_disks:
        yield f"the disk of {name} grows to {lab.disk_mb} MB"
    if plan.make_network:
        yield f"network {lab.network} is made, {lab.subnet}"
    if plan.add_rules:
        yield "the firewall lets the machines' traffic pass between them as it is"
    for container in plan.create:
        yield f"container {container.name} is made"
    for name in plan.start:
        yield f"container {name} is started"
    for name in plan.write_files:
        yield f"/etc/hosts and the SSH key are written in {name}"
    if plan.write_known_hosts:
        yield f"the machines' host keys are recorded in {lab.known_hosts}"
