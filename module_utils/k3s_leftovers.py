"""What a stopped k3s leaves on a machine: how to recognise it. Pure functions over what was read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

UNITS = ("k3s.service", "k3s-agent.service")
SOCKET = "/run/k3s/containerd/containerd.sock"
#: directories that k3s and its kubelet fill, and nobody else
TREES = (
    "/var/lib/rancher/k3s",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
    "/run/k3s",
    "/run/flannel",
    "/etc/rancher/k3s",
    "/etc/rancher/node",
)
#: directories above these, removed when they are empty
PARENTS = ("/var/lib/rancher", "/etc/rancher")
#: below these, and at network namespaces of pods, everything mounted is k3s' own
MOUNT_ROOTS = ("/run/k3s/", "/var/lib/kubelet/pods/", "/var/lib/kubelet/plugins/", "/run/netns/cni-")
LINKS = ("cni0", "flannel.1", "flannel-v6.1", "flannel-wg", "flannel-wg-v6", "kube-ipvs0", "kube-bridge")
POD_NETWORK = "10.42.0.0/16"

_RULES = re.compile(r"\b(KUBE|CNI|K3S)-|flannel", re.IGNORECASE)
_IP_SETS = re.compile(r"^(inet6:)?(KUBE|kube-router)-")


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process: what it was called with, whose child it is, and its control groups."""

    pid: int
    parent: int
    command: str
    cgroups: str


def our_processes(processes: Iterable[Process]) -> list[Process]:
    """Return what k3s' units left running, the shims of its containers, and all their descendants."""
    found = {process.pid: process for process in processes}
    ours = {process.pid for process in found.values() if _is_ours(process)}
    grown = True
    while grown:
        children = {p.pid for p in found.values() if p.parent in ours} - ours
        ours |= children
        grown = bool(children)
    return [found[pid] for pid in sorted(ours)]


def _is_ours(process: Process) -> bool:
    groups = re.split(r"[/\n]", process.cgroups)
    if "kubepods" in groups or "kubepods.slice" in groups or any(unit in groups for unit in UNITS):
        return True
    return "containerd-shim" in process.command and SOCKET in process.command


def our_mounts(points: Iterable[str]) -> list[str]:
    """Return the mount points to unmount, innermost first; one that is there twice is returned twice."""
    ours = [point for point in points if point.startswith(MOUNT_ROOTS)]
    return sorted(ours, key=lambda point: (-point.count("/"), point))


def without_our_rules(rules: str) -> str:
    """Return what iptables-save printed, without the rules and chains of Kubernetes and its networks."""
    return "".join(line for line in rules.splitlines(keepends=True) if not _RULES.search(line))


def our_ip_sets(names: Iterable[str]) -> list[str]:
    """Return the names of the IP sets that NetworkPolicies made."""
    return [name for name in names if _IP_SETS.search(name)]
