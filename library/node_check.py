#!/usr/bin/python
"""Ansible module: what a machine is, has and runs, as far as a cluster depends on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_check
short_description: Look at a machine before anything is installed on it
description:
  - Returns facts in one round trip and judges nothing; the filter P(preflight_report#filter) compares them
    with the configuration. Changes nothing. Pure standard library, from Python 3.8 on, so that a machine that
    is too old can say so.
options:
  paths:
    description: Paths, which need not exist, whose file systems are measured.
    type: list
    elements: str
    default: []
  ports:
    description: TCP ports that the cluster needs.
    type: list
    elements: int
    default: []
  volume_dir:
    description: >-
      The directory of SeaweedFS's volumes, which are counted, and whose files count as space that is
      already ours.
    type: path
  data_dirs:
    description: Directories of data of which one machine only should have any.
    type: list
    elements: str
    default: []
  digests:
    description:
      - What stands for secrets. Without a key, neither these files nor the states that are met are told.
    type: dict
    suboptions:
      key:
        description: By which digests are made that say nothing to others.
        type: str
        default: ""
      paths:
        description: Files whose content is told by its digest.
        type: list
        elements: str
        default: []
  shared:
    description: Directories on the mounted shared file system, whose owners are told.
    type: dict
    suboptions:
      mount: {description: Where it is mounted., type: path, required: true}
      paths: {description: The directories., type: list, elements: str, required: true}
  record:
    description: The file in which we record what we install.
    type: path
    default: /var/lib/data-miner/owned.json
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Look at the machine
  node_check:
    paths: [/var/lib/rancher, /data]
    ports: [6443, 10250]
"""

RETURN = r"""
facts:
  description:
    - C(uid), C(python) (major and minor), C(os) (id and version), C(os_name), C(arch), C(cores),
      C(memory_bytes), C(time_s), C(fuse), C(systemd).
    - C(disks), of each path the C(device) and its C(free_bytes) and C(total_bytes); C(volume_bytes) and
      C(volumes); C(data_dirs), those of the given ones that something lies in; C(recorded_data), directories
      of data that we made and that something lies in.
    - C(ports), of each wanted port that something listens on, who that is and whether it is C(k3s).
    - C(nvidia), the C(gpus) (PCI addresses, or device nodes of the driver where the bus can't be seen) and
      what is C(missing) before containers can use one, a sentence each with the remedy.
    - C(k3s_units), unit files of k3s; C(foreign_units), those among them that we did not write;
      C(cluster_init), whether it keeps its data in an etcd that it began; C(recorded_names), under which
      names we recorded what we installed.
    - C(container), what kind of container the machine is, empty where it is none; C(clock), the service that
      keeps its clock right; C(docker), whether that runs; C(kubernetes), units of another one that run.
    - C(firewall), its C(name), and what it C(allows); C(missing_modules) and C(missing_controllers) of the
      kernel; C(addresses) with C(interface) and C(mtu); C(nameservers).
    - C(met), the states by name that M(node_state) has recorded and the machine still is in, with their
      C(inputs) and the digests of their C(secrets) by path, keyed.
    - C(images), what M(node_images) takes as seen, where k3s runs.
    - C(owners), of each given directory on the shared file system that is there.
    - C(digests), of each given file that is there the SHA-256 in hex of its text, with one line's end and no
      other space around it, keyed.
  type: dict
  returned: always
"""

import contextlib
import hashlib
import json
import os
import platform
import stat
import sys
import time
from pathlib import Path
from typing import Any

from ansible.module_utils import nvidia, surroundings
from ansible.module_utils.files_size import files_bytes
from ansible.module_utils.keyed import keyed

ARGUMENTS: dict[str, Any] = {
    "paths": {"type": "list", "elements": "str", "default": []},
    "ports": {"type": "list", "elements": "int", "default": []},
    "volume_dir": {"type": "path"},
    "data_dirs": {"type": "list", "elements": "str", "default": []},
    "digests": {
        "type": "dict",
        "options": {
            "key": {"type": "str", "default": "", "no_log": True},
            "paths": {"type": "list", "elements": "str", "default": []},
        },
    },
    "shared": {
        "type": "dict",
        "options": {
            "mount": {"type": "path", "required": True},
            "paths": {"type": "list", "elements": "str", "required": True},
        },
    },
    "record": {"type": "path", "default": "/var/lib/data-miner/owned.json"},
}
LISTEN = "0A"
UNIT_DIRS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
K3S_CONFIG = "/etc/rancher/k3s/config.yaml"
CONTAINERD = "/run/k3s/containerd/containerd.sock"
K3S_UNITS = ("k3s.service", "k3s-agent.service")
# Whose process is part of a k3s: by control group (the unit) or, where those are nested, by program.
K3S_MARKS = ("/k3s.service", "/k3s-agent.service", "/kubepods")


def os_release(text: str) -> tuple[str, str, str]:
    """Return ID, VERSION_ID and PRETTY_NAME of an /etc/os-release."""
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip().strip("\"'")
    found = (values.get("ID", ""), values.get("VERSION_ID", ""))
    return found[0], found[1], values.get("PRETTY_NAME") or " ".join(found).strip() or "unknown"


def listeners(text: str, ports: set[int]) -> dict[int, str]:
    """Return of each wanted port in a /proc/net/tcp on which something listens the socket's inode."""
    found = {}
    for line in text.splitlines()[1:]:
        fields = line.split()
        port = int(fields[1].rpartition(":")[2], 16)
        if fields[3] == LISTEN and port in ports:
            found[port] = fields[9]
    return found


def recorded(text: str, path: str) -> bool:
    """Return whether a record (JSON) names a path, at whatever place."""

    def names(value: Any) -> bool:
        if isinstance(value, dict):
            return path in value or any(names(item) for item in value.values())
        if isinstance(value, list):
            return any(names(item) for item in value)
        return bool(value == path)

    try:
        return names(json.loads(text))
    except ValueError:
        return False


def recorded_data(text: str) -> list[str]:
    """Return the directories of data that a record (JSON) names; none where it is no record."""
    try:
        names = json.loads(text)["names"].values()
        return sorted(path for name in names for path, kind in name["directories"].items() if kind["data"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def recorded_names(text: str) -> list[str]:
    """Return the names in a record (JSON); none where it is no record."""
    try:
        return sorted(json.loads(text)["names"])
    except (ValueError, KeyError, TypeError):
        return []


def cluster_init(text: str) -> bool:
    """Return whether a config.yaml of k3s, as we write it, says that this server begins an etcd."""
    return "cluster-init: true" in text.splitlines()


def read(path: str) -> str:
    """Return a file's text, or nothing where there is none or it may not be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def memory_bytes(text: str) -> int:
    """Return MemTotal of a /proc/meminfo."""
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def disk(path: str) -> dict[str, Any]:
    """Return size and free space of the file system on which a path lies or would lie."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    size = os.statvfs(str(place))
    return {
        "device": place.stat().st_dev,
        "free_bytes": size.f_bavail * size.f_frsize,
        "total_bytes": size.f_blocks * size.f_frsize,
    }


def count_volumes(directory: str) -> int:
    """Return how many volumes of SeaweedFS lie in a directory."""
    try:
        return sum(1 for path in Path(directory).iterdir() if path.suffix == ".dat")
    except OSError:
        return 0


def open_files(process: Path) -> list[str]:
    """Return what the descriptors of a process of /proc point to, as far as they stay open meanwhile."""
    found = []
    with contextlib.suppress(OSError):  # it ended
        for link in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(link))  # noqa: PTH115 - Path's needs Python 3.9
    return found


def owners(inodes: dict[str, int]) -> dict[int, dict[str, Any]]:
    """Return of each port, found by its socket's inode, the process that has it."""
    found: dict[int, dict[str, Any]] = {port: {"who": "unknown", "k3s": False} for port in inodes.values()}
    for process in Path("/proc").glob("[0-9]*"):
        links = open_files(process)
        held = {inodes[link[8:-1]] for link in links if link.startswith("socket:[") and link[8:-1] in inodes}
        if held:
            name = read(str(process / "comm")).strip()
            groups = read(str(process / "cgroup"))
            is_k3s = name.startswith("k3s") or any(mark in groups for mark in K3S_MARKS)
            for port in held:
                found[port] = {"who": f"{name} (process {process.name})", "k3s": is_k3s}
    return found


def k3s_units(record: str) -> tuple[list[str], list[str]]:
    """Return the unit files of k3s that are there, and those of them that the record does not name."""
    text = read(record)
    paths = [f"{where}/{unit}" for where in UNIT_DIRS for unit in K3S_UNITS]
    there = [path for path in paths if Path(path).is_file() and not Path(path).parent.is_symlink()]
    return there, [path for path in there if not recorded(text, path)]


def holds_something(path: str) -> bool:
    """Return whether a directory is there and not empty."""
    try:
        return any(entry.name != "lost+found" for entry in Path(path).iterdir())
    except OSError:
        return False


def has_fuse() -> bool:
    """Return whether the kernel offers FUSE, as a device or as a module to load."""
    try:
        return stat.S_ISCHR(Path("/dev/fuse").stat().st_mode)
    except OSError:
        modules = Path("/lib/modules") / platform.release()
        return "fuse" in read("/proc/filesystems") or "/fuse/fuse.ko" in read(str(modules / "modules.dep"))


def is_modern() -> bool:
    """Return whether this Python can import what the other modules run on machines."""
    return list(sys.version_info[:2]) >= [3, 10]


def recorded_states(record: Path, key: str) -> dict[str, Any]:
    """Return the recorded states that still hold, keyed; none where Python is too old to say."""
    if not is_modern():
        return {}
    from ansible.module_utils.node_state.met import still_met  # noqa: PLC0415 - Python 3.10 and newer

    return {
        name: {
            "inputs": keyed(key, state["inputs"]),
            "secrets": {path: keyed(key, digest) for path, digest in state["secrets"].items()},
        }
        for name, state in still_met(record).items()
    }


def owners_on(mount: str, paths: list[str]) -> dict[str, int]:
    """Return the owners, by number, of those directories that are there and answer in time."""
    found: dict[str, int] = {}
    if not is_modern():
        return found
    from ansible.module_utils.shared_mount import (  # noqa: PLC0415 - as above
        STAT_TIMEOUT_S,
        bounded,
        is_mounted,
    )

    def ask() -> None:
        for path in map(Path, paths):
            if path.is_dir():
                found[str(path)] = path.stat().st_uid

    if is_mounted(mount):
        bounded(STAT_TIMEOUT_S, ask)
    return found


def containers_images() -> Any:
    """Return what M(node_images) takes as seen; None where no k3s runs."""
    if not is_modern() or not Path(CONTAINERD).exists():
        return None
    from ansible.module_utils.node_images.control import look as look_at_images  # noqa: PLC0415 - as above

    return look_at_images(["/usr/local/bin/k3s", "ctr"], "/var/lib/rancher/k3s/data-miner")


def text_digests(key: str, paths: list[str]) -> dict[str, str]:
    """Return of each file that is there the keyed SHA-256 of its text as it has it in a file of ours."""
    texts = {path: text for path in paths if (text := read(path).strip())}
    return {
        path: keyed(key, hashlib.sha256(f"{text}\n".encode()).hexdigest()) for path, text in texts.items()
    }


def look(params: dict[str, Any]) -> dict[str, Any]:
    """Return the facts."""
    identity, version, name = os_release(read("/etc/os-release"))
    wanted = set(params["ports"])
    held = {**listeners(read("/proc/net/tcp6"), wanted), **listeners(read("/proc/net/tcp"), wanted)}
    there, foreign = k3s_units(params["record"])
    secrets = params["digests"] or {}
    return {
        "uid": os.geteuid(),
        "python": list(sys.version_info[:2]),
        "os": [identity, version],
        "os_name": name,
        "arch": platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": memory_bytes(read("/proc/meminfo")),
        "time_s": time.time(),
        "fuse": has_fuse(),
        "systemd": Path("/run/systemd/system").is_dir(),
        "disks": {path: disk(path) for path in params["paths"]},
        "data_dirs": [path for path in params["data_dirs"] if holds_something(path)],
        "recorded_data": [path for path in recorded_data(read(params["record"])) if holds_something(path)],
        "volume_bytes": files_bytes(params["volume_dir"]) if params["volume_dir"] else 0,
        "volumes": count_volumes(params["volume_dir"]) if params["volume_dir"] else 0,
        "ports": {
            str(port): who for port, who in owners({inode: port for port, inode in held.items()}).items()
        },
        "nvidia": nvidia.look(),
        "k3s_units": there,
        "foreign_units": foreign,
        "cluster_init": cluster_init(read(K3S_CONFIG)),
        "recorded_names": recorded_names(read(params["record"])),
        "met": recorded_states(Path(params["record"]), secrets["key"]) if secrets.get("key") else {},
        "images": containers_images(),
        "digests": text_digests(**secrets) if secrets.get("key") else {},
        "owners": owners_on(**params["shared"]) if params["shared"] else {},
        **surroundings.look(),
    }


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns, in check mode too."""
    del check
    return {"changed": False, "facts": look(params)}
