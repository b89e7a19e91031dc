"""What else a machine runs and how it is connected, as far as that can be in a cluster's way.

Runs on the nodes, from Python 3.8 on, and starts a few programs at most.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from . import iptables, nftables

CGROUP_ROOTS = tuple(Path("/sys/fs/cgroup") / name for name in ("", "systemd", "unified"))
CLOCKS = ("systemd-timesyncd", "chrony", "chronyd", "ntpsec", "ntp", "ntpd", "openntpd")
#: Kubernetes that others installed, by the units that run it
KUBERNETES = (
    "kubelet",
    "rke2-server",
    "rke2-agent",
    "snap.microk8s.daemon-kubelite",
    "k0scontroller",
    "k0sworker",
)
MODULES = ("overlay", "br_netfilter", "vxlan")
CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
IP_TIMEOUT_S = 5


def read(path: Path) -> str:
    """Return a file's text, or nothing where there is none or it may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def running(units: tuple[str, ...], roots: tuple[Path, ...] = CGROUP_ROOTS) -> list[str]:
    """Return which services of systemd run: each has a control group for as long as it does."""
    slices = [root / "system.slice" for root in roots]
    return [unit for unit in units if any((where / f"{unit}.service").is_dir() for where in slices)]


def missing_modules(modules_dir: Path, proc: Path, sys_modules: Path) -> list[str]:
    """Return which of the kernel's modules that Kubernetes needs are neither there nor to be had.

    Args:
        modules_dir: of the running kernel. Where it is missing, as in a container, only what shows itself
            in other ways can be missed.
        proc: /proc.
        sys_modules: /sys/module.
    """
    listed = read(modules_dir / "modules.dep") + read(modules_dir / "modules.builtin")
    shown = {
        "overlay": "\toverlay\n" in read(proc / "filesystems"),
        "br_netfilter": (proc / "sys/net/bridge").is_dir(),
        "vxlan": not listed,
    }
    return [
        name
        for name in MODULES
        if not shown[name] and not (sys_modules / name).is_dir() and f"/{name}.ko" not in listed
    ]


def missing_controllers(unified: str, table: str) -> list[str]:
    """Return the controllers of control groups that are switched off.

    Args:
        unified: cgroup.controllers of version 2; empty where the machine has version 1.
        table: /proc/cgroups, of version 1.
    """
    if unified:
        on = set(unified.split())
    else:
        rows = [line.split() for line in table.splitlines() if not line.startswith("#")]
        on = {row[0] for row in rows if row[3] == "1"}
    return [name for name in CONTROLLERS if name not in on]


def addresses(text: str) -> list[dict[str, Any]]:
    """Return the IPv4 addresses that ``ip -json address`` prints, each with its interface and MTU."""
    return [
        {
            "interface": link["ifname"],
            "mtu": link["mtu"],
            "address": info["local"],
            "prefix": info["prefixlen"],
        }
        for link in json.loads(text or "[]")
        for info in link.get("addr_info", ())
        if info.get("family") == "inet"
    ]


def nameservers(text: str) -> list[str]:
    """Return the name servers of a resolv.conf."""
    return re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)


def ufw_allows(rules: str, defaults: str) -> list[str]:
    """Return from which networks ufw lets everything in, with ``%INTERFACE`` where only by that one.

    Args:
        rules: /etc/ufw/user.rules.
        defaults: /etc/default/ufw.
    """
    if re.search(r'^DEFAULT_INPUT_POLICY="?ACCEPT', defaults, re.MULTILINE):
        return [nftables.EVERYBODY]
    pattern = (
        r"^### tuple ### allow(?:_log(?:-all)?)? any any \S+ any (\S+) in(?:_(\S+))?(?: comment=\S*)?[ \t]*$"
    )
    found = re.findall(pattern, rules, re.MULTILINE)
    return [
        f"{network}%{nftables.as_pattern(interface)}" if interface else network
        for network, interface in found
    ]


def firewalld_allows(trusted: str, settings: str) -> list[str]:
    """Return from which networks firewalld lets everything in, with ``%INTERFACE`` where only by that one.

    Args:
        trusted: the zone of that name.
        settings: /etc/firewalld/firewalld.conf.
    """
    if re.search(r"^DefaultZone=trusted\s*$", settings, re.MULTILINE):
        return [nftables.EVERYBODY]
    interfaces = re.findall(r'<interface\s+name="([^"]+)"', trusted)
    return [
        *re.findall(r'<source\s+address="([^"]+)"', trusted),
        *(f"{nftables.EVERYBODY}%{nftables.as_pattern(name)}" for name in interfaces),
    ]


def firewall(etc: Path) -> dict[str, Any]:
    """Return the name of the firewall at work, empty for none, and the networks it lets in."""
    if running(("firewalld",)):
        trusted, settings = etc / "firewalld/zones/trusted.xml", etc / "firewalld/firewalld.conf"
        return {"name": "firewalld", "allows": firewalld_allows(read(trusted), read(settings))}
    if re.search(r"^ENABLED=yes", read(etc / "ufw/ufw.conf"), re.MULTILINE):
        allows = ufw_allows(read(etc / "ufw/user.rules"), read(etc / "default/ufw"))
        return {"name": "ufw", "allows": allows}
    found = nftables.look()
    return found if found["name"] else {**found, **iptables.look()}


def ip_address() -> str:
    """Return what ``ip -json address`` prints; nothing where there is no such program."""
    for program in ("/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"):
        if Path(program).exists():
            argv = [program, "-json", "address", "show"]
            done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=IP_TIMEOUT_S, check=False)  # noqa: S603
            return done.stdout.decode()
    return ""


def look() -> dict[str, Any]:
    """Return the facts."""
    modules = Path("/lib/modules") / platform.release()
    own = nameservers(read(Path("/etc/resolv.conf")))
    # A resolver of the machine's own names those that it asks elsewhere, and k3s takes them from there.
    asked = nameservers(read(Path("/run/systemd/resolve/resolv.conf")))
    return {
        "container": read(Path("/run/systemd/container")).strip(),
        "clock": running(CLOCKS)[:1],
        "docker": bool(running(("docker",))),
        "kubernetes": running(KUBERNETES),
        "firewall": firewall(Path("/etc")),
        "missing_modules": missing_modules(modules, Path("/proc"), Path("/sys/module")),
        "missing_controllers": missing_controllers(
            read(Path("/sys/fs/cgroup/cgroup.controllers")), read(Path("/proc/cgroups"))
        ),
        "addresses": addresses(ip_address()),
        "nameservers": asked or own,
    }
