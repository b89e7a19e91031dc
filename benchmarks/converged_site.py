"""How long `ansible-playbook site.yml` takes when there is nothing to change.

    python benchmarks/converged_site.py [--runs 5] [--inventory inventory/lab]

Prints one Markdown row for docs/benchmarks.md. A run that changes anything is not a converged one and ends
the benchmark. The second figure is the floor: one `ansible -m ping` of the same machines, timed in the same
loop, so that the ratio says how much of the time is ours on a machine of any speed.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def timed(*argv: str) -> tuple[float, str]:
    """Run a command from the root of the checkout; seconds and output, or exit with its output."""
    started = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return time.monotonic() - started, done.stdout


def main() -> None:
    """Time site.yml and ping in turn and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--inventory", default="inventory/lab")
    options = parser.parse_args()
    site: list[float] = []
    ping: list[float] = []
    for number in range(options.runs + 1):
        seconds, output = timed("ansible-playbook", "-i", options.inventory, "site.yml")
        if re.search(r"changed=[1-9]", output):
            sys.exit("site.yml changed something: run it again before measuring")
        floor, _ = timed("ansible", "-i", options.inventory, "server:agent", "-m", "ansible.builtin.ping")
        if number:  # the first pair warms the SSH connections and the page cache
            site.append(seconds)
            ping.append(floor)
        print(f"run {number}: site.yml {seconds:.1f} s, ping {floor:.1f} s", file=sys.stderr)
    ratio = statistics.median(a / b for a, b in zip(site, ping, strict=True))
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    print(
        f"| {today} | {machine} | {options.runs} | {statistics.median(site):.1f} "
        f"({min(site):.1f} to {max(site):.1f}) | {statistics.median(ping):.1f} | {ratio:.1f} |"
    )


if __name__ == "__main__":
    main()
