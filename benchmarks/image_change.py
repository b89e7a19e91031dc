"""From a changed line of code to running pods: ours against moving the whole image.

    python benchmarks/image_change.py [--runs 2] [--inventory inventory/lab]

Changes a line of data_miner, and takes it back in the end. Ours is `ansible-playbook playbooks/image.yml`.
The other way is what one does by hand: build with all layers cached, save the whole images, copy them to the
machines, import them there, restart the workers and wait for them; machines at the same time. Bytes are those
that left this machine for the cluster's. Prints one Markdown row for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.images.sources import Target
from miner_cluster.images.worker_image import STORAGE
from miner_cluster.manifest_item import app_image
from miner_cluster.model_workers import models_image, runs_models
from miner_cluster.ssh.login import login

CHANGED = CHECKOUT / "data_miner" / "__init__.py"
STAGES = ("download", "extract", "filter", "dedup", "detect", "monitor")
SELECTOR = f"app in ({','.join(f'{stage}-worker' for stage in STAGES)})"


def run(argv: Sequence[str], *, stdin: Path | None = None) -> str:
    """Run a command from the root of the checkout; return its output, or exit with it."""
    with (stdin or Path(os.devnull)).open("rb") as given:
        done = subprocess.run(argv, cwd=CHECKOUT, stdin=given, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        sys.exit(f"{' '.join(argv)[:200]}: exit code {done.returncode}\n{said[-3000:]}")
    return done.stdout.decode(errors="replace")


class Lab:
    """The cluster, and the wire to it."""

    def __init__(self, inventory: str) -> None:
        config = Path(inventory, "cluster_config.yaml").absolute()
        self.inventory = inventory
        self.cluster: Cluster = resolve_cluster(load_cluster_file(config).file, config_file=config)
        self.nodes = [node.name for node in self.cluster.nodes.values() if not node.storage_only]
        route = run(["ip", "-json", "route", "get", self.cluster.nodes[self.nodes[0]].ip])
        device = json.loads(route)[0]["dev"]
        self._counter = Path("/sys/class/net", device, "statistics/tx_bytes")

    def sent(self) -> int:
        """Return what left this machine for the cluster's so far."""
        return int(self._counter.read_text())

    def ssh(self, node: str, *argv: str, stdin: Path | None = None) -> str:
        """Run a command on a machine."""
        return run([*login(self.cluster, node), shlex.join(argv)], stdin=stdin)

    def kubectl(self, *argv: str) -> str:
        """Run kubectl on the first server."""
        return self.ssh(
            self.cluster.servers[0], "k3s", "kubectl", "--namespace", self.cluster.namespace, *argv
        )

    def images_that_run(self) -> set[str]:
        """Return the IDs of the images of the workers' pods."""
        pods = json.loads(self.kubectl("get", "pods", "--selector", SELECTOR, "--output", "json"))["items"]
        statuses = [status for pod in pods for status in pod["status"]["containerStatuses"]]
        return {status["imageID"].rpartition("@")[2] for status in statuses}


def ours(lab: Lab) -> None:
    """Deploy as an operator does."""
    run(["ansible-playbook", "-i", lab.inventory, "playbooks/image.yml"])


def by_hand(lab: Lab) -> None:
    """Deploy the whole images."""
    _deploy(lab, "workers", lab.nodes)
    nodes = lab.cluster.nodes
    if on := [name for name in lab.nodes if runs_models(lab.cluster, nodes[name], has_gpu=False)]:
        _deploy(lab, "models", on)
    workloads = lab.kubectl("get", "deployment,statefulset", "--output", "name").split()
    workers = [name for name in workloads if name.endswith("-worker")]
    lab.kubectl("rollout", "restart", *workers)
    for workload in workers:
        lab.kubectl("rollout", "status", workload)


def _deploy(lab: Lab, target: Target, nodes: Sequence[str]) -> None:
    image = lab.cluster.image
    reference = app_image(lab.cluster) if target == "workers" else models_image(lab.cluster)
    name = f"docker.io/library/{reference}"
    base = image.base if target == "workers" else image.models_base
    context = ("--build-context", f"local-models={image.models}") if image.models else ()
    home = Store().root / "tools" / STORAGE[target]
    buildah = ["buildah", "--root", str(home / "storage"), "--runroot", str(home / "run")]
    known = json.loads(run([*buildah, "images", "--json", "--no-trunc"]))
    base_id = next(found["id"] for found in known if base in (found.get("names") or []))
    with tempfile.TemporaryDirectory(dir=Store().root) as scratch:
        archive = Path(scratch, "image.tar")
        run(
            [
                *(*buildah, "build", "--isolation", "chroot", "--network", "host", "--layers"),
                *("--timestamp", "315532800", "--identity-label=false", "--pull=never", *context),
                *("--build-arg", f"BASE_IMAGE={base_id.removeprefix('sha256:')}", "--target", target),
                *("--ignorefile", ".dockerignore", "--file", "Dockerfile", "--tag", name, "."),
            ]
        )
        run([*buildah, "push", "--quiet", name, f"docker-archive:{archive}:{name}"])
        with ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(lambda node: _bring(lab, node, archive), nodes))


def _bring(lab: Lab, node: str, archive: Path) -> None:
    lab.ssh(node, "sh", "-c", "cat >/var/lib/rancher/image.tar", stdin=archive)
    lab.ssh(node, "k3s", "ctr", "--namespace", "k8s.io", "images", "import", "/var/lib/rancher/image.tar")
    lab.ssh(node, "rm", "/var/lib/rancher/image.tar")


def timed(lab: Lab, way: Callable[[Lab], None], line: str) -> tuple[float, int]:
    """Change the code and deploy it; return seconds and bytes."""
    CHANGED.write_text(f"{CHANGED.read_text('utf-8')}# {line}\n", "utf-8")
    before = lab.images_that_run()
    sent, started = lab.sent(), time.monotonic()
    way(lab)
    took, bytes_sent = time.monotonic() - started, lab.sent() - sent
    if way is ours and lab.images_that_run() & before:
        sys.exit(f"some pods still run {before}")
    print(f"{way.__name__}: {took:.1f} s, {bytes_sent / 1e6:.1f} MB", file=sys.stderr)
    return took, bytes_sent


def main() -> None:
    """Time both ways in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--inventory", default="inventory/lab")
    options = parser.parse_args()
    lab = Lab(options.inventory)
    original = CHANGED.read_text("utf-8")
    results: dict[str, list[tuple[float, int]]] = {"ours": [], "by_hand": []}
    try:
        for number in range(options.runs):
            for way in (ours, by_hand):
                results[way.__name__].append(timed(lab, way, f"{way.__name__} {number}"))
    finally:
        CHANGED.write_text(original, "utf-8")
    ours(lab)
    seconds = {way: statistics.median(took for took, _ in rows) for way, rows in results.items()}
    megabytes = {way: statistics.median(sent for _, sent in rows) / 1e6 for way, rows in results.items()}
    today = datetime.datetime.now(tz=datetime.UTC).date()
    print(
        f"| {today} | {os.cpu_count()} cores, Linux {platform.release()} | {options.runs} | {len(lab.nodes)} "
        f"| {seconds['ours']:.1f} | {seconds['by_hand']:.1f} | {seconds['ours'] / seconds['by_hand']:.2f} "
        f"| {megabytes['ours']:.1f} | {megabytes['by_hand']:.0f} "
        f"| {megabytes['ours'] / megabytes['by_hand']:.1%} |"
    )


if __name__ == "__main__":
    main()
