"""How long one pass over all objects takes that finds nothing to apply, prune or wait for.

    python benchmarks/apply.py [--runs 5] [--inventory inventory/lab]

Prints one Markdown row for docs/benchmarks.md. It is what site.yml does in its comparing tasks, without
Ansible around it. An object that differs ends the benchmark.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from miner_cluster.cluster import resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.api import Api
from miner_cluster.kube.diff import compare
from miner_cluster.kube.prune import find_leftovers
from miner_cluster.kube.rollout import not_settled
from miner_cluster.manifests import PHASES

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Time passes and print the median."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--inventory", default="inventory/lab")
    options = parser.parse_args()
    config = ROOT / options.inventory / "cluster_config.yaml"
    cluster = resolve_cluster(load_cluster_file(config).file, config_file=config)
    objects = rendered(options.inventory)
    seconds = []
    for _ in range(options.runs):
        started = time.monotonic()
        api = Api(Path(cluster.state_dir) / "kubeconfig")
        found = compare(api, objects)
        gone = find_leftovers(api, objects, PHASES, [cluster.seaweedfs.namespace, cluster.namespace])
        if found.changes or gone or not_settled(api, objects):
            sys.exit("something differs: run site.yml before measuring")
        seconds.append(time.monotonic() - started)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    print(
        f"| {today} | {machine} | {options.runs} | {len(objects)} | {statistics.median(seconds):.2f} "
        f"({min(seconds):.2f} to {max(seconds):.2f}) |"
    )


def rendered(inventory: str) -> list[dict[str, object]]:
    """Return every object, as render.yml writes it."""
    with tempfile.TemporaryDirectory() as directory:
        playbook = (
            "ansible-playbook",
            "-i",
            inventory,
            "playbooks/render.yml",
            "-e",
            f"manifests_dir={directory}",
        )
        subprocess.run(playbook, cwd=ROOT, stdout=sys.stderr, check=True)  # noqa: S603 - our own arguments
        return [yaml.safe_load(path.read_text("utf-8")) for path in sorted(Path(directory).rglob("*.yaml"))]


if __name__ == "__main__":
    main()
