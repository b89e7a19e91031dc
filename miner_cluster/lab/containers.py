"""The arguments that make each container: pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from miner_cluster.lab.model import IMAGES, INSIDE, SITE_PORT, Container, Host, Lab, Machine, Site

#: a machine's log of its console: its journal is inside
_LOG = ("--log-driver=k8s-file", "--log-opt=max-size=1mb")


def containers(lab: Lab, host: Host) -> dict[str, Container]:
    """Return the lab's containers by name, the machines first."""
    wanted = [_machine(lab, machine, host) for machine in lab.machines]
    if lab.site:
        wanted.append(_site(lab, lab.site))
    return {container.name: container for container in wanted}


def limit_flags(host: Host) -> list[str]:
    """Return the flags that keep podman from asking for more than this process may have.

    Both are needed together: one alone makes podman ask for its own default of the other.
    """
    if host.limits is None:
        return []
    files, processes = host.limits
    return [f"--ulimit=nofile={files}:{files}", f"--ulimit=nproc={processes}:{processes}"]


def engine_flags(host: Host) -> list[str]:
    """Return podman's own flags: crun refuses version 1 control groups beside version 2."""
    return ["--runtime=runc", "--cgroup-manager=cgroupfs"] if host.cgroup_v1 else []


def _machine(lab: Lab, machine: Machine, host: Host) -> Container:
    argv = [
        f"--hostname={machine.name}",
        *_network(lab, machine.ip),
        *_LOG,
        "--privileged",
        "--no-hosts",
        "--pids-limit=-1",
        "--stop-timeout=20",
        *_systemd(host),
        f"--volume={lab.disk(machine)}:{INSIDE}{lab.disk(machine)}",
        f"--volume={lab.programs}:{INSIDE}/programs:ro",
    ]
    if host.modules:
        argv.append("--volume=/lib/modules:/lib/modules:ro")
    argv += [_image(lab), f"{INSIDE}/programs/machine-init", f"{INSIDE}{lab.disk(machine)}", *lab.disk_paths]
    return Container(name=lab.container(machine.name), argv=tuple(argv))


def _systemd(host: Host) -> Iterator[str]:
    """Yield what lets systemd run.

    With version 1 control groups podman would mount systemd's hierarchy twice and leave others shared between
    machines; machine-init mounts them instead.
    """
    if not host.cgroup_v1:
        yield from ("--systemd=always", "--cgroupns=private")
        return
    yield from ("--systemd=false", "--cgroupns=host", "--stop-signal=SIGRTMIN+3")
    yield from (
        "--tmpfs=/run:rw,exec,nosuid,nodev,mode=755",
        "--tmpfs=/run/lock:rw,noexec,nosuid,nodev,size=5m",
    )


def _site(lab: Lab, site: Site) -> Container:
    argv = [
        "--hostname=site",
        *_network(lab, site.ip),
        *_LOG,
        "--user=nobody",
        "--read-only",
        "--cap-drop=all",
        "--init",
        "--stop-timeout=1",
        f"--volume={site.program}:/site:ro",
        f"--volume={site.files}:/files:ro",
        *(_image(lab), "/usr/bin/python3", "/site/server.py", "/files", "--port", str(SITE_PORT)),
    ]
    return Container(name=lab.container("site"), argv=tuple(argv), content=site.content)


def _network(lab: Lab, ip: str) -> Iterator[str]:
    """Yield the address, with a hardware address made from it.

    A random one would change with each start, and the other machines would send to the old one for up to a
    minute.
    """
    octets = ":".join(f"{octet:02x}" for octet in IPv4Address(ip).packed)
    yield f"--network={lab.network}:ip={ip},mac=02:4c:{octets}"


def _image(lab: Lab) -> str:
    return f"{IMAGES}:{lab.image_tag}"
