"""How long the API's side of site.yml and status.yml takes, by number of nodes; machines are not needed.

    python benchmarks/fleet.py [--sizes 10 100 1000] [--show-status]

Starts a control plane of its own for each size, whose nodes and pods kwok plays, see ``control_plane.py``,
and runs ``playbooks/render.yml`` and the tags of ``benchmarks/fleet.yml``. Prints one Markdown row for each
size: of each step the seconds, in brackets those of the processor, of Ansible and of the control plane. Ends
with 1 where a step takes too long at the greatest size, or grows faster than the number of nodes.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from control_plane import ControlPlane, control_plane
from render import config

from miner_cluster.cluster import CHECKOUT
from miner_cluster.inventory import load_inventory
from miner_cluster.kube.api import Api

#: what is timed, and the arguments for fleet.yml
STEPS: dict[str, tuple[str, ...]] = {
    "render": (),
    "labels": ("--tags", "labels"),
    "apply": ("--tags", "apply", "-e", "wait_s=0"),
    "wait until all runs": ("--tags", "apply"),
    "again": ("--tags", "apply"),
    "status": ("--tags", "status"),
}
GOAL_S = 60.0
#: from one size to the greatest; 1 is linear
MAX_EXPONENT = 1.1
#: rows of a table that is printed for a person, at any size
MAX_LINES = 100


def playable(text: str) -> str:
    """Return the configuration with a GPU, and without services that status asks: nobody answers there."""
    lines = text.replace("role: master,", "role: master, gpu: true,").splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"  (monitor|grafana):", line))


class Took(NamedTuple):
    """Seconds of the clock, and of the processor by Ansible with its children and by the control plane."""

    clock_s: float
    ansible_s: float
    plane_s: float

    @property
    def processor_s(self) -> float:
        """Return what both took."""
        return self.ansible_s + self.plane_s


def played(plane: ControlPlane, *argv: str) -> tuple[Took, str]:
    """Run ansible-playbook from the root of the checkout; its time and output, or exit with its output."""
    command = ["ansible-playbook", *argv]
    started, before, plane_before_s = time.monotonic(), _children_s(), plane.processor_s()
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    clock_s = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return Took(clock_s, _children_s() - before, plane.processor_s() - plane_before_s), done.stdout


def _children_s() -> float:
    """Return the seconds of the processor that ended children have had."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(nodes: int, scratch: Path) -> tuple[dict[str, Took], str]:
    """Return the seconds of each step with so many nodes, and what status shows."""
    inventory = scratch / f"fleet-{nodes}" / "cluster_config.yaml"
    inventory.parent.mkdir()
    inventory.write_text(playable(config(nodes)), "utf-8")
    cluster = load_inventory(inventory).cluster
    state = Path(cluster["state_dir"])
    data = scratch / "control-plane"
    data.mkdir()
    with control_plane(data) as plane:
        state.mkdir(parents=True, exist_ok=True)
        try:
            (state / "kubeconfig").symlink_to(plane.kubeconfig)
            api = Api(plane.kubeconfig)
            for name in cluster["nodes"]:
                api.call("POST", "/api/v1/nodes", _node(name, cluster["k3s_version"]))
            return _steps(plane, inventory, scratch / f"manifests-{nodes}")
        finally:
            shutil.rmtree(state)
            shutil.rmtree(data)


def _node(name: str, version: str) -> dict[str, object]:
    """Return what a kubelet says of itself as it joins; kwok says the rest."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    size = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}
    status = {"allocatable": size, "capacity": size, "nodeInfo": {"kubeletVersion": version}}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


def _steps(plane: ControlPlane, inventory: Path, manifests: Path) -> tuple[dict[str, Took], str]:
    seconds = {}
    seconds["render"], _ = played(
        plane, "-i", str(inventory), "playbooks/render.yml", "-e", f"manifests_dir={manifests}"
    )
    text = ""
    for step, arguments in STEPS.items():
        if not arguments:
            continue
        seconds[step], text = played(plane, "-i", str(inventory), "benchmarks/fleet.yml", *arguments)
        print(f"{step}: {_cell(seconds[step])} s", file=sys.stderr)
        if step == "again" and re.search(r"changed=[1-9]", text):
            sys.exit(f"something was changed twice:\n{text[-3000:]}")
    return seconds, text


def main() -> None:
    """Measure each size and print the row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--show-status", action="store_true")
    options = parser.parse_args()
    found: dict[int, dict[str, Took]] = {}
    text = ""
    with tempfile.TemporaryDirectory() as directory:
        for nodes in options.sizes:
            print(f"{nodes} nodes", file=sys.stderr)
            found[nodes], text = measure(nodes, Path(directory))
    if options.show_status:
        print(text, file=sys.stderr)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    for nodes, seconds in found.items():
        cells = " | ".join(_cell(seconds[step]) for step in STEPS)
        print(f"| {today} | {machine} | {nodes} | {cells} |")
    if problems := [*_late(found), *_long(text)]:
        sys.exit("; ".join(problems))


def _cell(took: Took) -> str:
    return f"{took.clock_s:.0f} ({took.ansible_s:.0f} + {took.plane_s:.0f})"


def _late(found: dict[int, dict[str, Took]]) -> list[str]:
    greatest = max(found)
    last = found[greatest]
    late = [f"{step} takes {last[step].clock_s:.0f} s" for step in STEPS if last[step].clock_s >= GOAL_S]
    for nodes, steps in found.items():
        for step in STEPS if nodes < greatest else ():
            exponent = math.log(last[step].processor_s / steps[step].processor_s, greatest / nodes)
            if exponent > MAX_EXPONENT:
                late.append(f"{step} grows with the nodes to the power of {exponent:.2f} from {nodes} on")
    return late


def _long(text: str) -> list[str]:
    lines = len(text.splitlines())
    return [f"status shows {lines} lines"] if lines > MAX_LINES else []


if __name__ == "__main__":
    main()
