"""Labs to plan, and what a plan would leave behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from miner_cluster.lab.containers import containers
from miner_cluster.lab.firewall import rules
from miner_cluster.lab.model import (
    LABEL_LAB,
    LABEL_RECIPE,
    LABEL_STATE,
    Found,
    FoundContainer,
    FoundMachine,
    FoundNetwork,
    Host,
    Lab,
    Machine,
    Site,
)
from miner_cluster.lab.plan import MIB, Plan, known_hosts, wanted_files

STATE = Path("/checkout/.state/demo")
HOST = Host(cgroup_v1=True, limits=None, modules=True)
BARE = Found(
    sysctls={"fs.inotify.max_user_instances": 128, "fs.inotify.max_user_watches": 524_288},
    free_disk_mb=100_000,
    free_memory_mb=16_000,
)


def make_lab(*names: str, **changes: Any) -> Lab:
    """Return a lab with machines of these names."""
    machines = tuple(
        Machine(name=name, ip=f"192.0.2.{10 + place}")
        for place, name in enumerate(names or ("server", "agent"))
    )
    lab = Lab(
        name="demo",
        state_dir=STATE,
        machines=machines,
        disk_mb=8000,
        disk_paths=("/data",),
        image_path=Path("/cache/node.tar"),
        image_tag="one",
        programs=Path("/checkout/roles/lab/files"),
        ssh_key=STATE / "id_ed25519",
        site=Site(ip="192.0.2.2", program=Path("/site"), content="1", files=Path("/clips")),
        need_disk_mb=3000,
        need_memory_mb=900,
    )
    return replace(lab, **changes)


def after(lab: Lab, plan: Plan, found: Found) -> Found:
    """Return what is there once a plan was carried out and the machines have settled."""
    there = {name: box for name, box in found.containers.items() if name not in plan.remove_containers}
    for name in (*(box.name for box in plan.create), *plan.start):
        labels = {LABEL_LAB: lab.name, LABEL_STATE: str(lab.state_dir)}
        labels[LABEL_RECIPE] = containers(lab, HOST)[name].recipe
        there[name] = FoundContainer(name=name, state="running", started=True, pid=1, labels=labels)
    networks = dict(found.networks)
    if plan.remove_network:
        del networks[lab.network]
    if plan.make_network:
        assert lab.network not in networks
        networks[lab.network] = FoundNetwork(name=lab.network, subnets=(str(lab.subnet),), bridge="podman1")
    disks = dict(found.disks)
    for name in (*plan.make_disks, *plan.grow_disks):
        disks[f"{name}.img"] = lab.disk_mb * MIB
    left = {table: there - plan.remove_rules.get(table, frozenset()) for table, there in found.rules.items()}
    for table in plan.add_rules:
        left[table] = left.get(table, frozenset()) | {rules(lab, networks[lab.network].bridge)[table]}
    key = "ssh-ed25519 new" if plan.make_key else found.public_key
    stranger = FoundMachine(hosts="", authorized_keys="", host_key="ssh-ed25519 host")
    machines = {
        name: wanted_files(lab, key, found.machines.get(name, stranger))
        for each in lab.machines
        if (name := lab.container(each.name)) in there
    }
    return replace(
        found,
        containers=there,
        networks=networks,
        machines=machines,
        images=found.images | ({lab.image_tag} if plan.import_image else set()),
        disks=disks,
        loops={device: file for device, file in found.loops.items() if device not in plan.detach_loops},
        rules=left,
        sysctls={**found.sysctls, **plan.sysctls},
        public_key=key,
        known_hosts=known_hosts(lab, machines) if plan.write_known_hosts else found.known_hosts,
        state=found.state - set(plan.remove_state),
    )
