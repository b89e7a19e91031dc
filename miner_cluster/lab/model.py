"""What a lab is, and what was found of one: plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

#: whose container or network it is: the lab's name, and the directory that belongs to its checkout
LABEL_LAB = "data-miner.lab"
LABEL_STATE = "data-miner.state"
#: digest of the arguments that made a container: another one means that it is made again
LABEL_RECIPE = "data-miner.recipe"
#: repository of the imported root file systems; the tag tells one from another
IMAGES = "localhost/data-miner-lab"
SITE_PORT = 8000
#: state of a container that was killed together with the process that watched it: podman thinks that it runs,
#: and can't start it again
DEAD = "dead"
#: in a machine, the directory of what the lab put there. The disk lies below it at its path on the host: the
#: kernel knows the file of a loop device by the path that it had for whoever attached it.
INSIDE = "/.lab"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine."""

    name: str
    ip: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """The video site: a program that serves files."""

    ip: str
    #: directory of server.py
    program: Path
    #: digest of that program
    content: str
    files: Path


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A lab as it shall be."""

    name: str
    state_dir: Path
    machines: tuple[Machine, ...]
    disk_mb: int
    #: directories of a machine that lie on its disk
    disk_paths: tuple[str, ...]
    #: tar of the machines' root file system, and a tag that tells it from others
    image_path: Path
    image_tag: str
    #: directory of machine-init, which each machine starts with
    programs: Path
    ssh_key: Path
    site: Site | None = None
    #: what each new machine needs of this one
    need_disk_mb: int
    need_memory_mb: int

    @property
    def network(self) -> str:
        """Name of the podman network; also marks the firewall's rules."""
        return f"data-miner-{self.name}"

    @property
    def subnet(self) -> IPv4Network:
        """The /24 that the first machine lies in."""
        return IPv4Network(f"{self.machines[0].ip}/24", strict=False)

    @property
    def gateway(self) -> IPv4Address:
        """This machine's address in the lab's network."""
        return self.subnet[1]

    @property
    def known_hosts(self) -> Path:
        """The machines' host keys."""
        return self.state_dir / "known_hosts"

    @property
    def disks(self) -> Path:
        """Directory of the machines' disks."""
        return self.state_dir / "disks"

    def disk(self, machine: Machine) -> Path:
        """File of a machine's disk."""
        return self.disks / f"{machine.name}.img"

    def container(self, name: str) -> str:
        """Name of the container of a machine, or of the site."""
        return f"{self.name}-{name}"

    def hosts_file(self) -> str:
        """Return /etc/hosts of every machine."""
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        lines += [f"{machine.ip} {machine.name}" for machine in self.machines]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class Host:
    """What is special about this machine."""

    #: version 1 control groups, all of them or beside version 2
    cgroup_v1: bool
    #: limits that this process can't raise (nofile, nproc); None where it may
    limits: tuple[int, int] | None
    #: /lib/modules is there
    modules: bool


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container as it shall be."""

    name: str
    #: arguments of `podman create`, without what tells whose it is
    argv: tuple[str, ...]
    #: what else it is made from
    content: str = ""

    @property
    def recipe(self) -> str:
        """Digest of what it is made from."""
        return hashlib.sha256("\0".join((*self.argv, self.content)).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class FoundContainer:
    """A container that is there."""

    name: str
    #: podman's word for it; "" for a leftover that podman itself does not know
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    #: whether it ever ran; after a boot podman may call such a one "created" again
    started: bool = False
    #: 0 unless it runs
    pid: int = 0

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.state == "running"

    @property
    def broken(self) -> bool:
        """Whether starting it can't help: it is half made or removed, or was killed unknown to podman."""
        return not self.started or self.state not in {"created", "running", "exited", "stopped"}


@dataclass(frozen=True, kw_only=True)
class FoundNetwork:
    """A podman network that is there."""

    name: str
    subnets: tuple[str, ...]
    bridge: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FoundMachine:
    """The files of a running machine that the lab cares for."""

    hosts: str
    authorized_keys: str
    host_key: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that is there."""

    containers: Mapping[str, FoundContainer] = field(default_factory=dict)
    networks: Mapping[str, FoundNetwork] = field(default_factory=dict)
    #: inside the running machines of this lab, by container
    machines: Mapping[str, FoundMachine] = field(default_factory=dict)
    #: tags of imported root file systems
    images: frozenset[str] = frozenset()
    #: size in bytes of each disk
    disks: Mapping[str, int] = field(default_factory=dict)
    #: machine files under loop devices, by device
    loops: Mapping[str, Path] = field(default_factory=dict)
    #: the firewall's rules that bear this lab's name, as `iptables -S` prints them, by table
    rules: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sysctls: Mapping[str, int] = field(default_factory=dict)
    #: what machine-wide values were before the first lab of this boot
    recorded_sysctls: Mapping[str, int] = field(default_factory=dict)
    public_key: str = ""
    known_hosts: str = ""
    #: entries of the state directory
    state: frozenset[str] = frozenset()
    #: state directories named in labels that are there
    living: frozenset[str] = frozenset()
    #: subnets that this machine reaches some other way, with what they belong to
    routes: Mapping[str, str] = field(default_factory=dict)
    free_disk_mb: int = 0
    free_memory_mb: int = 0
