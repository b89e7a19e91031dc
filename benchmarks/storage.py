"""How fast files are written and read through the shared mount, as ratios to the same machine's own disk.

    python benchmarks/storage.py --inventory inventory/lab --node lab-agent-1 [--runs 3] [--flag=-x=8 …]

Prints one Markdown row for docs/benchmarks.md for the mount as it is deployed, and one more for each --flag,
with which the mount's pod mounts the storage a second time for as long as it takes. Sequential: 512 MB in one
file, synced. Small: 2,000 files of 100 KB, each synced and closed. Reading begins with an empty page cache.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.inventory import load_inventory

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 900
#: beside the mount, in the directory that the mount's pod shares with its machine
SECOND = "bench"

#: runs on the machine; prints seconds by what was done
MEASURE = """
import json, os, shutil, sys, time

def clock(action):
    started = time.monotonic()
    action()
    return time.monotonic() - started

def write(path, size):
    block = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(block)
        file.write(block[: size & ((1 << 20) - 1)])
        file.flush()
        os.fsync(file.fileno())

def read(path):
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass

def forget():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")

root = os.path.join(sys.argv[1], ".benchmark")
shutil.rmtree(root, ignore_errors=True)
os.makedirs(root)
big, small = os.path.join(root, "big"), [os.path.join(root, str(n)) for n in range(2000)]
found = {"sequential write": clock(lambda: write(big, 512 << 20))}
forget()
found["sequential read"] = clock(lambda: read(big))
found["small write"] = clock(lambda: [write(path, 100_000) for path in small])
forget()
found["small read"] = clock(lambda: [read(path) for path in small])
shutil.rmtree(root)
print(json.dumps(found))
"""
WHAT = ("sequential write", "sequential read", "small write", "small read")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine of a cluster, reached as Ansible reaches it, and its mount's pod."""

    ssh: list[str]
    kubectl: list[str]
    node: str

    def seconds(self, directory: str) -> dict[str, float]:
        """Measure on a file system."""
        command = f"python3 -c {shlex.quote(MEASURE)} {shlex.quote(directory)}"
        found: dict[str, float] = json.loads(_run([*self.ssh, command]))
        return found

    def in_mount_pod(self, script: str) -> None:
        """Run a shell script in the pod that mounts the storage on this machine."""
        where = ["--field-selector", f"spec.nodeName={self.node}", "-l", "app.kubernetes.io/name=mount"]
        pod = _run([*self.kubectl, "get", "pods", *where, "-o", "name"]).strip()
        _run([*self.kubectl, "exec", pod, "--", "/bin/sh", "-c", script])


def main() -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inventory", type=Path, default=ROOT / "inventory" / "lab")
    parser.add_argument("--node", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--flag", action="append", default=[], help="of weed mount; may be given again")
    options = parser.parse_args()
    inventory = load_inventory(options.inventory / "cluster_config.yaml")
    cluster = inventory.cluster
    machine = _machine(inventory.hosts[options.node], cluster, options.node)
    mount = str(cluster["storage"]["seaweedfs_mount"])
    disk = _median(machine, str(Path(cluster["seaweedfs"]["data_dir"]).parent), options.runs)
    print(_row("the disk itself, MB/s and files/s", _rates(disk)))
    print(_row("as deployed", _ratios(disk, _median(machine, mount, options.runs))))
    for flag in options.flag:
        second = str(Path(mount).parent / SECOND)
        filer = f"filer-0.filer.{cluster['seaweedfs']['namespace']}:8888"
        machine.in_mount_pod(
            f"mkdir -p {second} && (setsid weed mount -filer={filer} -dir={second} -filer.path=/ "
            f"-cacheDir=/tmp {shlex.quote(flag)} >/dev/null 2>&1 &) && "
            f"until mountpoint -q {second}; do sleep 1; done"
        )
        try:
            print(_row(flag, _ratios(disk, _median(machine, second, options.runs))))
        finally:
            machine.in_mount_pod(f"fusermount3 -u {second} && sleep 1 && rmdir {second}")


def _machine(variables: object, cluster: dict[str, object], node: str) -> Machine:
    assert isinstance(variables, dict)  # noqa: S101 - a TypedDict is one
    state = Path(str(cluster["state_dir"]))
    options = ["-o", "BatchMode=yes", *shlex.split(variables["ansible_ssh_common_args"])]
    login = f"{variables['ansible_user']}@{variables['ansible_host']}"
    port = str(variables["ansible_port"])
    storage = cluster["seaweedfs"]
    assert isinstance(storage, dict)  # noqa: S101 - as the model says
    return Machine(
        ssh=["ssh", "-i", variables["ansible_ssh_private_key_file"], "-p", port, *options, login],
        kubectl=[str(state / "bin" / "kubectl"), "-n", storage["namespace"]],
        node=node,
    )


def _median(machine: Machine, directory: str, runs: int) -> dict[str, float]:
    found = [machine.seconds(directory) for _ in range(runs)]
    return {what: statistics.median(one[what] for one in found) for what in WHAT}


def _rates(seconds: dict[str, float]) -> list[str]:
    return [f"{(512 if what.startswith('seq') else 2000) / seconds[what]:.0f}" for what in WHAT]


def _ratios(disk: dict[str, float], found: dict[str, float]) -> list[str]:
    rates = _rates(found)
    return [f"{disk[what] / found[what]:.2f} ({rate})" for what, rate in zip(WHAT, rates, strict=True)]


def _row(what: str, cells: list[str]) -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    return f"| {today} | {os.cpu_count()} cores | {what} | " + " | ".join(cells) + " |"


def _run(command: list[str]) -> str:
    return subprocess.run(  # noqa: S603 - our own arguments
        command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    ).stdout


if __name__ == "__main__":
    main()
