r"""How long site.yml takes with nothing to change, against pyinfra and kubectl doing the same.

    uv venv .venv/pyinfra && uv pip sync --require-hashes --python .venv/pyinfra/bin/python \
        benchmarks/with_pyinfra/requirements.lock
    python benchmarks/against_pyinfra.py [--runs 5] [--inventory inventory/lab]

Prints one Markdown row for docs/benchmarks.md. Both sides look at the same machines in turn, to no change:

* ours: ``ansible-playbook site.yml``, which also renders everything and compares the configuration;
* theirs: pyinfra with the packages, modules, kernel parameters, directories, files, units and images that
  site.yml wants there (what it recorded on the machines) and a file passed through the shared storage; then
  ``kubectl apply --server-side`` of the tree that ``playbooks/render.yml`` wrote, rendering not counted; then
  the verification: all machines and pods Ready, and the counts of the queue.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from miner_cluster.cluster import Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = Path(__file__).parent / "with_pyinfra" / "deploy.py"
PYINFRA = ROOT / ".venv" / "pyinfra" / "bin" / "pyinfra"
RECORD = "/var/lib/data-miner/owned.json"
#: of the roles k3s and seaweedfs
PACKAGES = ["iptables", "fuse3"]


def timed(*argv: str, quiet_words: str = "") -> float:
    """Run a command from the root of the checkout; seconds, or exit with its output, also after a change."""
    started = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    seconds, output = time.monotonic() - started, done.stdout + done.stderr
    if done.returncode or (quiet_words and re.search(quiet_words, output)):
        sys.exit(f"{shlex.join(argv)}: exit code {done.returncode}, or a change\n{output[-3000:]}")
    return seconds


class Machines:
    """The machines of a cluster, by SSH as pyinfra and this script use it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.known_hosts = Path(cluster.state_dir) / "known_hosts"

    def ssh(self, name: str, command: str) -> bytes:
        """Run a command there and return what it prints."""
        ssh = self.cluster.ssh
        options = ["-i", ssh.key, "-p", str(ssh.port), "-o", f"UserKnownHostsFile={self.known_hosts}"]
        address = f"{ssh.user}@{self.cluster.nodes[name].ip}"
        return subprocess.run(["ssh", *options, address, command], capture_output=True, check=True).stdout  # noqa: S603, S607

    def wanted(self, name: str, copies: Path) -> dict[str, Any]:
        """Copy the recorded files of a machine here; return what pyinfra shall look at."""
        names = json.loads(self.ssh(name, f"cat {RECORD}"))["names"].values()
        paths = sorted({path for one in names for path in one["files"]})
        directories = sorted({path for one in names for path in one["directories"]})
        units = sorted({unit for one in names for unit in one["units"]})
        archive = self.ssh(name, f"tar -C / -cf - {shlex.join(path.lstrip('/') for path in paths)}")
        copies.mkdir()
        subprocess.run(["tar", "-C", str(copies), "-xf", "-"], input=archive, check=True)  # noqa: S603, S607
        listed = self.ssh(name, f"stat -c '%n %U %G %a' {shlex.join(directories + paths)}").decode()
        facts = {path: (user, group, mode) for path, user, group, mode in map(str.split, listed.splitlines())}
        sysctls = {
            key.strip(): value.strip()
            for path in paths
            if path.startswith("/etc/sysctl.d/")
            for line in (copies / path.lstrip("/")).read_text().splitlines()
            for key, equals, value in [line.partition("=")]
            if equals and not line.startswith("#")
        }
        mount = self.cluster.storage.seaweedfs_mount
        return {
            "name": name,
            "packages": PACKAGES,
            "sysctls": sysctls,
            # What the shared file system covers can't be looked at.
            "directories": [
                {"path": path, "user": facts[path][0], "group": facts[path][1], "mode": facts[path][2]}
                for path in directories
                if path != mount
            ],
            "files": [{"path": path, "mode": facts[path][2]} for path in paths],
            "units": units,
            "images": [self.cluster.seaweedfs.image],
            "copies": str(copies),
            "mount": mount,
        }


def inventory(machines: Machines, directory: Path) -> Path:
    """Write an inventory of pyinfra and return its path."""
    ssh = machines.cluster.ssh
    hosts = [
        (
            f"@ssh/{node.ip}",
            {
                "ssh_user": ssh.user,
                "ssh_port": ssh.port,
                "ssh_key": ssh.key,
                "ssh_known_hosts_file": str(machines.known_hosts),
                "wanted": machines.wanted(name, directory / name),
            },
        )
        for name, node in machines.cluster.nodes.items()
    ]
    path = directory / "inventory.py"
    path.write_text(f"machines = {hosts!r}\n")
    return path


def main() -> None:
    """Time both in turn and print the medians and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--inventory", default="inventory/lab")
    options = parser.parse_args()
    path = ROOT / options.inventory / "cluster_config.yaml"
    cluster = resolve_cluster(load_cluster_file(path).file, config_file=path)
    kubectl = str(Path(cluster.state_dir) / "bin" / "kubectl")
    site = ("ansible-playbook", "-i", options.inventory, "site.yml")
    timed("ansible-playbook", "-i", options.inventory, "playbooks/render.yml")
    spaces = [cluster.namespace, cluster.seaweedfs.namespace]
    counts = ["exec", "-n", cluster.namespace, "deploy/monitor-worker", "-c", "monitor", "--"]
    ours: list[float] = []
    theirs: list[list[float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        machines = inventory(Machines(cluster), Path(temporary))
        for number in range(options.runs + 1):
            first = timed(*site, quiet_words=r"changed=[1-9]")
            parts = [
                timed(str(PYINFRA), "--yes", str(machines), str(DEPLOY), quiet_words=r"Changed: [1-9]"),
                timed(
                    kubectl,
                    "apply",
                    "--server-side",
                    "--field-manager=data-miner",
                    "--recursive",
                    "-f",
                    "manifests",
                ),
                timed(kubectl, "wait", "--for=condition=Ready", "node", "--all")
                + sum(timed(kubectl, "get", "pods", "-n", space, "-o", "json") for space in spaces)
                + timed(kubectl, *counts, "data-miner", "status", "--json"),
            ]
            if number:  # the first pair warms connections and the page cache
                ours.append(first)
                theirs.append(parts)
            print(f"run {number}: ours {first:.1f} s, theirs {sum(parts):.1f} s", file=sys.stderr)
    sums = [sum(parts) for parts in theirs]
    split = " + ".join(f"{statistics.median(part):.1f}" for part in zip(*theirs, strict=True))
    ratio = statistics.median(a / b for a, b in zip(ours, sums, strict=True))
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    print(
        f"| {today} | {machine} | {options.runs} | {len(cluster.nodes)} | {statistics.median(ours):.1f} "
        f"({min(ours):.1f} to {max(ours):.1f}) | {statistics.median(sums):.1f} ({split}) | {ratio:.2f} |"
    )


if __name__ == "__main__":
    main()
