"""What stands in a cluster's way on its machines: facts compared with the configuration, all at once.

Pure: ``library/node_check.py`` collects the facts, a filter hands them here, an assert shows the result.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from miner_cluster.cluster import Cluster, ResolvedNode
from miner_cluster.model_workers import may_run
from miner_cluster.requests import SYSTEM_REQUESTS, fixed_requests, floating_requests
from miner_cluster.taints import repels

GIB = 1 << 30
MIB = 1 << 20

SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
SUPPORTED_WORDS = "Debian 12 or 13, Ubuntu 22.04 or 24.04"
ARCHITECTURES = ("x86_64", "aarch64")
OLDEST_PYTHON = (3, 10)
MAX_SKEW_S = 5
#: what k3s itself needs on top of the pods
MEMORY_BYTES = {"server": 1 * GIB, "agent": 512 * MIB}
API_PORT, KUBELET_PORT = 6443, 10250
ETCD_PORTS = (2379, 2380)

K3S_DIR = "/var/lib/rancher"
#: k3s with its images: before it is there, and what should stay free once it is
K3S_DISK_BYTES, K3S_DISK_LEFT_BYTES = 4 * GIB, 512 * MIB
DB_DISK_BYTES = 1 * GIB
#: SeaweedFS overshoots its limit by up to 1.6 %, and a disk that is physically full hangs its writers
VOLUME_SHARE = 0.97

_WIDTH = 110


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One thing in the way: on which machine, what was found, what to do."""

    where: str
    found: str
    remedy: str


def wanted_paths(cluster: Cluster, node: ResolvedNode) -> list[str]:
    """Return the paths whose disks matter on a machine."""
    database = [cluster.storage.db_path] if node.name in cluster.servers[:1] else []
    return [K3S_DIR, cluster.seaweedfs.data_dir, *database]


def wanted_ports(cluster: Cluster, node: ResolvedNode) -> list[int]:
    """Return the ports that nobody else may listen on at a machine."""
    ports = [KUBELET_PORT, *cluster.node_ports]
    if node.role == "server":
        ports.append(API_PORT)
        ports += ETCD_PORTS if len(cluster.servers) > 1 else ()
    return sorted(ports)


def node_troubles(
    cluster: Cluster, name: str, facts: Mapping[str, Any], *, arch: str, sent_s: float, received_s: float
) -> list[Trouble]:
    """Return everything in the way on one machine.

    Args:
        cluster: the configuration.
        name: of the machine.
        facts: as ``node_check`` returns them.
        arch: of the controller, for which the images are built.
        sent_s: the controller's clock before the machine was asked.
        received_s: the controller's clock when it had answered.
    """
    node = cluster.nodes[name]
    skew_s = facts["time_s"] - min(max(facts["time_s"], sent_s), received_s)
    return [
        *_system(node, facts, arch),
        *_memory(cluster, node, facts),
        *_clock(node, skew_s),
        *_disks(cluster, node, facts),
        *_lowered(cluster, node, facts),
        *_installs(cluster, node, facts),
        *_left_data(cluster, node, facts),
    ]


def _system(node: ResolvedNode, facts: Mapping[str, Any], arch: str) -> Iterator[Trouble]:
    identity, version = facts["os"]
    if version not in SUPPORTED.get(identity, ()):
        yield Trouble(
            where=node.name, found=f"runs {facts['os_name']}", remedy=f"install {SUPPORTED_WORDS} on it"
        )
    if facts["arch"] not in ARCHITECTURES:
        yield Trouble(
            where=node.name,
            found=f"is a {facts['arch']} machine",
            remedy=f"use one of {' or '.join(ARCHITECTURES)}",
        )
    elif facts["arch"] != arch:
        yield Trouble(
            where=node.name,
            found=f"is a {facts['arch']} machine, and images are built here for {arch}",
            remedy=f"run ansible-playbook from a {facts['arch']} machine, or use machines of one kind",
        )
    if tuple(facts["python"]) < OLDEST_PYTHON:
        have, need = (".".join(map(str, version)) for version in (facts["python"], OLDEST_PYTHON))
        yield Trouble(
            where=node.name,
            found=f"/usr/bin/python3 is Python {have}",
            remedy=f"install Python {need} or newer, or {SUPPORTED_WORDS}",
        )
    if facts["uid"] != 0:
        yield Trouble(
            where=node.name,
            found="become does not make us root",
            remedy="check the sudo rules of cluster.ssh.user",
        )
    if not facts["systemd"]:
        yield Trouble(
            where=node.name, found="systemd does not run there", remedy="use a machine whose init is systemd"
        )
    if not facts["fuse"]:
        yield Trouble(
            where=node.name,
            found="its kernel has no FUSE, which the shared file system is mounted with",
            remedy="install the kernel's modules (linux-image-amd64), or give the container /dev/fuse",
        )


def _memory(cluster: Cluster, node: ResolvedNode, facts: Mapping[str, Any]) -> Iterator[Trouble]:
    pods = sum(request.memory for request in fixed_requests(cluster)[node.name])
    needs = MEMORY_BYTES[node.role] + pods
    if facts["memory_bytes"] < needs:
        yield Trouble(
            where=node.name,
            found=f"has {size(facts['memory_bytes'])} of memory; k3s and the pods that must run here need "
            f"{size(needs)}",
            remedy="add memory, or lower resource_presets in cluster_config.yaml",
        )


def _clock(node: ResolvedNode, skew_s: float) -> Iterator[Trouble]:
    if abs(skew_s) > MAX_SKEW_S:
        side = "ahead of" if skew_s > 0 else "behind"
        yield Trouble(
            where=node.name,
            found=f"its clock is {abs(skew_s):.0f} s {side} this machine's",
            remedy="synchronise both: timedatectl set-ntp true",
        )


def _disks(cluster: Cluster, node: ResolvedNode, facts: Mapping[str, Any]) -> Iterator[Trouble]:
    installed = bool(facts["k3s_units"])
    needs = {K3S_DIR: ("k3s and its images", K3S_DISK_LEFT_BYTES if installed else K3S_DISK_BYTES)}
    if node.disk_limit_mb:
        volumes = int(node.disk_limit_mb * MIB / VOLUME_SHARE) - facts["volume_bytes"]
        needs[cluster.seaweedfs.data_dir] = f"disk_limit_mb: {node.disk_limit_mb}", max(volumes, 0)
    if node.name == cluster.servers[0]:
        needs[cluster.storage.db_path] = "the databases", 0 if installed else DB_DISK_BYTES
    by_device: dict[int, list[str]] = {}
    for path in needs:
        by_device.setdefault(facts["disks"][path]["device"], []).append(path)
    for paths in by_device.values():
        free = facts["disks"][paths[0]]["free_bytes"]
        total = sum(needs[path][1] for path in paths)
        if free < total:
            parts = " + ".join(
                f"{size(needs[path][1])} ({needs[path][0]})" for path in paths if needs[path][1]
            )
            hint = f", or lower cluster.nodes.{node.name}.disk_limit_mb" if node.disk_limit_mb else ""
            yield Trouble(
                where=node.name,
                found=f"the disk of {', '.join(paths)} has {size(free)} free and {parts} are needed",
                remedy=f"free or add disk space{hint}",
            )


def _lowered(cluster: Cluster, node: ResolvedNode, facts: Mapping[str, Any]) -> Iterator[Trouble]:
    """A limit below what lies there already: SeaweedFS would not stop at it."""
    size_mb = cluster.seaweedfs.volume_size_limit_mb
    room = node.disk_limit_mb // size_mb
    if node.disk_limit_mb and facts["volumes"] > room:
        least = facts["volumes"] * size_mb
        yield Trouble(
            where=node.name,
            found=f"disk_limit_mb: {node.disk_limit_mb} has room for {room} volumes of {size_mb} MB; it "
            f"holds {facts['volumes']} with {size(facts['volume_bytes'])}, which may grow to {least} MB",
            remedy=f"set cluster.nodes.{node.name}.disk_limit_mb to {least} or more, or delete files: "
            "volumes that stay empty for an hour go by themselves",
        )


def _installs(cluster: Cluster, node: ResolvedNode, facts: Mapping[str, Any]) -> Iterator[Trouble]:
    for unit in facts["foreign_units"]:
        yield Trouble(
            where=node.name,
            found=f"has a k3s that these playbooks did not install ({unit})",
            remedy="remove it with its own k3s-uninstall.sh or k3s-agent-uninstall.sh",
        )
    keys = {str(port): key for port, key in cluster.node_ports.items()}
    for port, owner in sorted(facts["ports"].items()):
        if owner["k3s"]:
            continue
        remedy = "stop it" + (f", or choose another {keys[port]}" if port in keys else "")
        yield Trouble(where=node.name, found=f"port {port} is taken by {owner['who']}", remedy=remedy)


def _left_data(cluster: Cluster, node: ResolvedNode, facts: Mapping[str, Any]) -> Iterator[Trouble]:
    """Data where the configuration does not look any more: everything would start empty beside it."""
    wanted = {"storage.db_path": cluster.storage.db_path, "seaweedfs.data_dir": cluster.seaweedfs.data_dir}
    left = [path for path in facts["recorded_data"] if str(PurePosixPath(path).parent) not in wanted.values()]
    if left:
        yield Trouble(
            where=node.name,
            found=f"data of this cluster lies in {', '.join(left)}, and "
            + ", ".join(f"{key} is {path}" for key, path in wanted.items()),
            remedy="write the old path back into cluster_config.yaml, or run ansible-playbook teardown.yml "
            "with it and move the data before you change it",
        )


def capacity_troubles(cluster: Cluster, facts: Mapping[str, Mapping[str, Any]]) -> list[Trouble]:
    """Return which pods would not find a place, however they are spread.

    k3s reserves nothing for the system: pods may have all that the machine has. Its own pods come first,
    on the first server, which is there before the others.

    Args:
        cluster: the configuration.
        facts: of every machine; with one unknown nothing is said.
    """
    if set(facts) != set(cluster.nodes):
        return []
    gpus = {name for name in facts if facts[name]["nvidia"]["gpus"]}
    remedy = "lower resource_presets or replicas in cluster_config.yaml, or add machines"
    free = {name: (facts[name]["cores"] * 1000, facts[name]["memory_bytes"]) for name in facts}
    for name, fixed in fixed_requests(cluster).items():
        requests = [*(SYSTEM_REQUESTS if name == cluster.servers[0] else ()), *fixed]
        cpu, memory = free[name]
        free[name] = cpu - sum(r.cpu for r in requests), memory - sum(r.memory for r in requests)
        if free[name][0] < 0:
            wanted = ", ".join(f"{r.name} {_cpu(r.cpu)}" for r in requests)
            total = _cpu(cpu - free[name][0])
            found = f"has {_cpu(cpu)} cores, and pods that must run here request {total}: {wanted}"
            return [Trouble(where=name, found=found, remedy=remedy)]
    return _floating(cluster, free, gpus, remedy)


def _floating(
    cluster: Cluster, free: dict[str, tuple[int, int]], gpus: set[str], remedy: str
) -> list[Trouble]:
    """Place the pods that may choose, the largest first, each where most is left."""
    for request in sorted(floating_requests(cluster), key=lambda r: (-r.cpu, -r.memory)):
        names = [
            name
            for name, node in cluster.nodes.items()
            if may_run(node, request.schedule_on, has_gpu=name in gpus)
            and not repels(node.taints, request.tolerations)
        ]
        fitting = [name for name in names if free[name][0] >= request.cpu and free[name][1] >= request.memory]
        if not fitting:
            left = "; ".join(f"{name} {_cpu(free[name][0])}, {size(free[name][1])}" for name in names)
            found = (
                f"{request.name} requests {_cpu(request.cpu)} cores and {size(request.memory)} of memory; "
                f"left for it: {left or 'no machine that may run it'}"
            )
            return [Trouble(where="cluster", found=found, remedy=remedy)]
        place = max(fitting, key=lambda name: free[name])
        free[place] = free[place][0] - request.cpu, free[place][1] - request.memory
    return []


def away_trouble(cluster: Cluster, name: str, reason: str) -> Trouble:
    """Return what to do about a machine that can't be reached."""
    node = cluster.nodes[name]
    if cluster.lab is not None:
        command = "make lab" if cluster.name == "lab" else f"make lab LAB={cluster.name}"
        remedy = f"start the lab: {command}"
    else:
        remedy = f"start it, or correct cluster.nodes.{name}.ip in {PurePosixPath(cluster.config_file).name}"
    return Trouble(
        where=name, found=f"{node.ip}:{cluster.ssh.port} can't be reached ({reason})", remedy=remedy
    )


def left_out(cluster: Cluster, away: Mapping[str, str]) -> list[Trouble]:
    """Return what is wrong with those machines that are away of which each can be done without.

    The first server can't: it has the databases and the join token. Servers can as long as most of them
    answer.

    Args:
        cluster: the configuration.
        away: of each machine that can't be reached the reason.
    """
    missing = [name for name in cluster.servers if name in away]
    needed = missing if 2 * len(missing) >= len(cluster.servers) else cluster.servers[:1]
    return [
        away_trouble(cluster, name, away[name])
        for name in cluster.nodes
        if name in away and name not in needed
    ]


def left_out_text(cluster: Cluster, troubles: Sequence[Trouble]) -> str:
    """Return what a run ends with that went on without machines; nothing where it did not."""
    if not troubles:
        return ""
    return (
        f"{len(troubles)} of {len(cluster.nodes)} machines could not be reached and were left out; the "
        f"others are as the file says. Do what follows, and run this again:\n{as_text(troubles)}"
    )


def login_trouble(cluster: Cluster, name: str, reason: str) -> Trouble:
    """Return what to do about a machine that answers and doesn't let us in."""
    node, ssh = cluster.nodes[name], cluster.ssh
    login = f"{ssh.user}@{node.ip}"
    text = " ".join(reason.split())
    words = text.lower()
    keys = f"ansible-playbook -i {PurePosixPath(cluster.config_file).parent} playbooks/ssh_keys.yml"
    if "host key" in words or "host identification" in words:
        remedy = f"{keys}, which records it, or says what has changed"
    elif "sudo" in words or "become" in words or "privilege" in words:
        remedy = "give the user passwordless sudo, or pass --ask-become-pass"
    elif "python" in words and "not found" in words:
        remedy = "install python3 there: apt-get install python3"
    elif "permission denied" in words or "authentication" in words:
        remedy = f"give it the cluster's key, by its password: {keys} --ask-pass"
    else:
        remedy = f"try: ssh -p {ssh.port} -i {ssh.key} {login}"
    return Trouble(where=name, found=f"{login}: {text[:300]}", remedy=remedy)


def token_trouble(models: Mapping[str, str]) -> Trouble:
    """Return what to do where HF_TOKEN is needed and missing."""
    names = ", ".join(f"{model} ({stage})" for stage, model in models.items())
    return Trouble(
        where="HF_TOKEN",
        found=f"is not set and is needed to fetch {names}",
        remedy="write HF_TOKEN=… into .env (install -m 600 .env.example .env), or choose local models in "
        "the run config",
    )


def as_text(troubles: Sequence[Trouble]) -> str:
    """Return all troubles as a table: where, what, and below it the remedy."""
    width = max((len(trouble.where) for trouble in troubles), default=0) + 2
    lines = []
    for trouble in troubles:
        for first, text in ((trouble.where, trouble.found), ("", f"→ {trouble.remedy}")):
            wrapped = textwrap.wrap(text, _WIDTH - width, break_long_words=False, break_on_hyphens=False)
            lines += [f"{first if number == 0 else '':{width}}{line}" for number, line in enumerate(wrapped)]
    return "\n".join(lines)


def size(size_bytes: int) -> str:
    """Return a number of bytes for people."""
    if size_bytes >= GIB:
        return f"{size_bytes / GIB:.1f} GiB"
    return f"{size_bytes / MIB:.0f} MiB"


def _cpu(millicores: int) -> str:
    return f"{millicores / 1000:g}"
