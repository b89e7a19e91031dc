"""What is there of a lab, looked at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miner_cluster.lab import host, machine
from miner_cluster.lab.commands import run
from miner_cluster.lab.firewall import CHAINS
from miner_cluster.lab.model import (
    DEAD,
    IMAGES,
    LABEL_STATE,
    Found,
    FoundContainer,
    FoundMachine,
    FoundNetwork,
    Host,
    Lab,
)
from miner_cluster.lab.podman import podman
from miner_cluster.lab.subnets import network_subnets, routed
from miner_cluster.lab.sysctls import FROM_WITHIN, LEAST


def look(lab: Lab, this: Host) -> Found:
    """Return what is there."""
    found_containers = containers(this)
    networks = _networks(this)
    labels = [container.labels for container in found_containers.values()]
    labels += [network.labels for network in networks.values()]
    states = {text for each in labels if (text := each.get(LABEL_STATE))}
    return Found(
        containers=found_containers,
        networks=networks,
        machines=machines(lab, found_containers),
        images=_images(this),
        disks={file.name: file.stat().st_size for file in lab.disks.glob("*.img")},
        loops=host.loops(lab.disks),
        rules={table: _rules(lab, table) for table in CHAINS},
        sysctls=host.sysctls((*LEAST, *FROM_WITHIN)),
        recorded_sysctls=host.recorded_sysctls(),
        public_key=public_key(lab),
        known_hosts=_text(lab.known_hosts),
        state=frozenset(entry.name for entry in lab.state_dir.glob("*")),
        living=frozenset(state for state in states if Path(state).is_dir()),
        routes=routed(),
        free_disk_mb=host.free_disk_mb(lab.state_dir),
        free_memory_mb=host.free_memory_mb(),
    )


def containers(this: Host) -> dict[str, FoundContainer]:
    """Return all of podman's containers by name."""
    listed = json.loads(podman(this, "ps", "--all", "--external", "--format=json") or "[]")
    return {found.name: found for entry in listed for found in [_container(entry)]}


def machines(lab: Lab, there: Mapping[str, FoundContainer]) -> dict[str, FoundMachine]:
    """Return the files of the machines that run, by container."""
    names = [lab.container(each.name) for each in lab.machines]
    running = {name: there[name].pid for name in names if name in there and there[name].running}
    return {name: files for name, pid in running.items() if (files := machine.read(pid))}


def public_key(lab: Lab) -> str:
    """Return the public key that machines get; empty where a key is not there in whole."""
    return _text(Path(f"{lab.ssh_key}.pub")) if lab.ssh_key.is_file() else ""


def _container(entry: Mapping[str, Any]) -> FoundContainer:
    pid, state = int(entry.get("Pid") or 0), str(entry.get("State") or "")
    if state == "running" and not Path(f"/proc/{pid}").exists():
        state = DEAD
    return FoundContainer(
        name=entry["Names"][0],
        state=state,
        labels=entry.get("Labels") or {},
        started=int(entry.get("StartedAt") or 0) > 0,
        pid=pid if state == "running" else 0,
    )


def _networks(this: Host) -> dict[str, FoundNetwork]:
    listed = json.loads(podman(this, "network", "ls", "--format=json") or "[]")
    return {
        entry["name"]: FoundNetwork(
            name=entry["name"],
            subnets=network_subnets(entry),
            bridge=entry.get("network_interface", ""),
            labels=entry.get("labels") or {},
        )
        for entry in listed
    }


def _images(this: Host) -> frozenset[str]:
    listed = podman(this, "images", f"--filter=reference={IMAGES}", "--format={{.Tag}}")
    return frozenset(listed.split())


def _rules(lab: Lab, table: str) -> frozenset[str]:
    listed = run("iptables", "--wait", "--table", table, "--list-rules", CHAINS[table])
    return frozenset(line for line in listed.splitlines() if lab.network in line.split())


def _text(file: Path) -> str:
    return file.read_text("utf-8") if file.is_file() else ""
