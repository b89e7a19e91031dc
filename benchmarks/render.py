"""How long it takes to read cluster_config.yaml, check it, and render every object, by number of nodes.

    python benchmarks/render.py [--plot docs/render.svg]

Prints one Markdown row for docs/benchmarks.md, and ends with 1 where a figure misses its goal. Seconds are of
the processor, the best of several runs, in one process that has loaded Ansible already: what is measured is
our own code and the templates, and another program on the machine changes little.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader, lookup_loader
from ansible.template import Templar

from miner_cluster.cluster import CHECKOUT
from miner_cluster.inventory import load_inventory
from miner_cluster.rendering import to_files

SIZES = (3, 10, 30, 100, 300, 1000)
#: seconds for so many nodes, and how fast they may grow: 1 is linear, from 100 nodes to 1,000
GOALS_S = {3: 1.0, 1000: 10.0}
MAX_EXPONENT = 1.1
RUNS = 3


def config(nodes: int) -> str:
    """Return the production example with as many nodes."""
    text = (CHECKOUT / "inventory" / "production" / "cluster_config.yaml").read_text("utf-8")
    before, _, rest = text.partition("  nodes:\n")
    _, mark, after = rest.partition("# What to mine;")
    lines = [
        f"    node{number}: {{ip: 198.18.{number // 250}.{number % 250 + 1}, "
        f"role: {'worker' if number else 'master'}, disk_limit_mb: 50000}}\n"
        for number in range(nodes)
    ]
    return f"{before}  nodes:\n{''.join(lines)}{mark}{after}"


def seconds(nodes: int, directory: Path) -> tuple[float, int]:
    """Return the time of the fastest run, and the number of objects."""
    path = directory / f"nodes{nodes}" / "cluster_config.yaml"
    path.parent.mkdir()
    path.write_text(config(nodes), "utf-8")
    best, count = math.inf, 0
    for _ in range(RUNS):
        started = time.process_time()
        cluster = load_inventory(path).cluster
        loader = DataLoader()
        plugin = lookup_loader.get("manifests", loader=loader, templar=Templar(loader=loader))
        count = len(to_files(plugin.run([], variables={}, cluster=cluster, images={})))
        best = min(best, time.process_time() - started)
    return best, count


def svg(points: dict[int, float]) -> str:
    """Draw seconds over nodes, both axes logarithmic, with a straight line for linear growth."""
    width, height, margin = 640, 400, 60
    x_span, y_low, y_high = (math.log10(2), math.log10(1500)), math.log10(0.05), math.log10(20)

    def x(nodes: float) -> float:
        share = (math.log10(nodes) - x_span[0]) / (x_span[1] - x_span[0])
        return round(margin + share * (width - 2 * margin), 1)

    def y(value: float) -> float:
        share = (math.log10(value) - y_low) / (y_high - y_low)
        return round(height - margin - share * (height - 2 * margin), 1)

    last = max(points)
    linear = [(nodes, points[last] * nodes / last) for nodes in (last // 20, last)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        '  font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{width / 2}" y="24" text-anchor="middle">Reading, checking, rendering</text>',
    ]
    for nodes in points:
        parts.append(f'<path d="M{x(nodes)} {y(0.05)}V{y(20)}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(nodes)}" y="{y(0.05) + 18}" text-anchor="middle">{nodes}</text>')
    for value in (0.1, 1, 10):
        parts.append(f'<path d="M{x(2)} {y(value)}H{x(1500)}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(2) - 8}" y="{y(value) + 4}" text-anchor="end">{value:g} s</text>')
    dashes = " ".join(f"{x(nodes)},{y(value)}" for nodes, value in linear)
    parts.append(f'<polyline points="{dashes}" fill="none" stroke="#888" stroke-dasharray="5 4"/>')
    line = " ".join(f"{x(nodes)},{y(value)}" for nodes, value in points.items())
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="2"/>')
    parts += [
        f'<circle cx="{x(nodes)}" cy="{y(value)}" r="4" fill="#1f6feb"/>' for nodes, value in points.items()
    ]
    parts += [
        f'<path d="M{x(nodes) - 12} {y(goal)}h24" stroke="#d1242f" stroke-width="2"/>'
        for nodes, goal in GOALS_S.items()
    ]
    parts.append(
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">nodes; grey: linear, red: goal</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Measure, plot, print the row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    init_plugin_loader([])
    lookup_loader.add_directory(str(CHECKOUT / "lookup_plugins"))
    filter_loader.add_directory(str(CHECKOUT / "filter_plugins"))
    points: dict[int, float] = {}
    count = 0
    with tempfile.TemporaryDirectory() as directory:
        for nodes in SIZES:
            points[nodes], count = seconds(nodes, Path(directory))
            print(f"{nodes} nodes: {points[nodes]:.2f} s, {count} objects", file=sys.stderr)
    exponent = math.log10(points[1000] / points[100])
    if options.plot:
        options.plot.write_text(svg(points), "utf-8")
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    figures = " | ".join(f"{points[nodes]:.2f}" for nodes in (3, 100, 1000))
    print(f"| {today} | {machine} | {figures} | {count} | {exponent:.2f} |")
    late = [
        f"{nodes} nodes take {points[nodes]:.1f} s"
        for nodes, goal in GOALS_S.items()
        if points[nodes] >= goal
    ]
    if exponent > MAX_EXPONENT:
        late.append(f"time grows with the number of nodes to the power of {exponent:.2f}")
    if late:
        sys.exit("; ".join(late))


if __name__ == "__main__":
    main()
