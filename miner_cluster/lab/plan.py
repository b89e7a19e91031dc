"""What to do so that a lab is as it shall be: pure, nothing here looks or acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from miner_cluster.lab.checks import check_disks, check_key, check_names, check_room, check_subnet
from miner_cluster.lab.containers import containers
from miner_cluster.lab.firewall import CHAINS, rules
from miner_cluster.lab.model import LABEL_LAB, LABEL_RECIPE, Container, Found, FoundMachine, Host, Lab
from miner_cluster.lab.owner import check_network, our_containers
from miner_cluster.lab.sysctls import LEAST

#: what stays of a removed lab's directory: the choice of its subnet, and what the user wrote there
KEPT = frozenset({"inventory"})
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do, in this order; empty: nothing."""

    sysctls: Mapping[str, int] = field(default_factory=dict)
    #: names, and why
    remove_containers: Mapping[str, str] = field(default_factory=dict)
    #: by table
    remove_rules: Mapping[str, frozenset[str]] = field(default_factory=dict)
    remove_network: bool = False
    detach_loops: tuple[str, ...] = ()
    import_image: bool = False
    make_key: bool = False
    #: names of machines, here and below
    make_disks: tuple[str, ...] = ()
    grow_disks: tuple[str, ...] = ()
    make_network: bool = False
    #: tables that lack their rule
    add_rules: tuple[str, ...] = ()
    create: tuple[Container, ...] = ()
    #: names of containers that are there and do not run
    start: tuple[str, ...] = ()
    #: names of running machines whose files differ
    write_files: tuple[str, ...] = ()
    write_known_hosts: bool = False
    #: entries of the state directory
    remove_state: tuple[str, ...] = ()
    #: as no lab is left, and no other container that may count on the present ones
    restore_sysctls: Mapping[str, int] = field(default_factory=dict)


def plan_present(lab: Lab, host: Host, found: Found) -> Plan:
    """Return what makes the lab.

    Raises:
        LabError: it can't be made here.
    """
    wanted = containers(lab, host)
    check_names(lab)
    check_key(lab, found)
    present = our_containers(lab, found, frozenset(wanted))
    check_network(lab, found)
    check_subnet(lab, found)
    check_disks(lab, found)

    network = found.networks.get(lab.network)
    kept_network = network if network and network.subnets == (str(lab.subnet),) else None
    sizes = {machine.name: found.disks.get(lab.disk(machine).name) for machine in lab.machines}
    make_disks = tuple(name for name, size in sizes.items() if size is None)
    grow_disks = tuple(name for name, size in sizes.items() if size is not None and size < lab.disk_mb * MIB)

    remove: dict[str, str] = {}
    for name in sorted(present):
        container = found.containers[name]
        if container.broken:
            remove[name] = "it is half made, or was killed"
        elif name not in wanted:
            # A machine that was taken out of the file may hold the only copy of something.
            if name == lab.container("site"):
                remove[name] = "it is no longer wanted"
            elif kept_network is None:
                remove[name] = "its network is made anew; its disk stays"
        elif container.labels.get(LABEL_RECIPE) != wanted[name].recipe:
            remove[name] = "it is to be made from something else"
        elif kept_network is None:
            remove[name] = "its network is made anew"
        elif name in {lab.container(machine) for machine in (*make_disks, *grow_disks)}:
            remove[name] = "its disk grows, or is gone"
    stay = [name for name in wanted if name in present and name not in remove]
    create = tuple(container for name, container in wanted.items() if name not in stay)
    start = tuple(name for name in stay if not found.containers[name].running)
    running = {name: found.machines[name] for name in stay if name in found.machines}
    starting = {*start, *(container.name for container in create)} & {lab.container(name) for name in sizes}
    check_room(lab, found, new_disks=len(make_disks), starting=len(starting))

    wanted_rules = rules(lab, kept_network.bridge) if kept_network else {}
    return Plan(
        sysctls={key: least for key, least in LEAST.items() if found.sysctls.get(key, 0) < least},
        remove_containers=remove,
        remove_rules={
            table: old for table, there in found.rules.items() if (old := there - {wanted_rules.get(table)})
        },
        remove_network=network is not None and kept_network is None,
        detach_loops=idle_loops(lab, found),
        import_image=bool(create) and lab.image_tag not in found.images,
        make_key=not found.public_key,
        make_disks=make_disks,
        grow_disks=grow_disks,
        make_network=kept_network is None,
        add_rules=tuple(
            table for table in CHAINS if wanted_rules.get(table) not in found.rules.get(table, frozenset())
        ),
        create=create,
        start=start,
        write_files=tuple(
            name
            for name, machine in running.items()
            if wanted_files(lab, found.public_key, machine) != machine
        ),
        write_known_hosts=bool(create or start) or found.known_hosts != known_hosts(lab, running),
    )


def plan_absent(lab: Lab, found: Found) -> Plan:
    """Return what removes the lab and whatever interrupted runs left of it.

    Raises:
        LabError: it belongs to another checkout.
    """
    names = frozenset(lab.container(name) for name in (*(machine.name for machine in lab.machines), "site"))
    present = our_containers(lab, found, names)
    check_network(lab, found)
    others = (box for name, box in found.containers.items() if name not in present)
    needed = any(box.running or box.labels.get(LABEL_LAB) for box in others)
    return Plan(
        remove_containers=dict.fromkeys(sorted(present), "the lab is removed"),
        remove_rules={table: there for table, there in found.rules.items() if there},
        remove_network=lab.network in found.networks,
        detach_loops=idle_loops(lab, found),
        remove_state=tuple(sorted(found.state - KEPT)),
        restore_sysctls={} if needed else found.recorded_sysctls,
    )


def idle_loops(lab: Lab, found: Found) -> tuple[str, ...]:
    """Return the loop devices over this lab's disks that no running machine has."""
    running = {name for name, container in found.containers.items() if container.running}
    return tuple(
        sorted(device for device, file in found.loops.items() if lab.container(file.stem) not in running)
    )


def wanted_files(lab: Lab, public_key: str, machine: FoundMachine) -> FoundMachine:
    """Return a machine's files as they shall be; keys that others added stay."""
    keys = machine.authorized_keys
    if public_key.strip() not in keys.splitlines():
        keys = "".join(f"{line}\n" for line in (*keys.splitlines(), public_key.strip()))
    return FoundMachine(hosts=lab.hosts_file(), authorized_keys=keys, host_key=machine.host_key)


def known_hosts(lab: Lab, machines: Mapping[str, FoundMachine]) -> str:
    """Return the lines by which SSH recognises the machines."""
    lines = [
        f"{machine.ip} {found.host_key}"
        for machine in lab.machines
        if (found := machines.get(lab.container(machine.name)))
    ]
    return "".join(f"{line}\n" for line in lines)
