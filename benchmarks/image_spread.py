"""How the time to bring an image to machines grows with their number, with and without passing it on.

    python benchmarks/image_spread.py [--machines 1 2 4 8 16] [--megabytes 16] [--mbit 40]

Machines are processes on this one, each with a directory of its own; what they say to each other and to the
controller is what machines say, without SSH around it. The controller's uplink has a limit, and the machines
have none, which is when passing on matters. Prints Markdown rows for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from miner_cluster.images import schedule
from miner_cluster.images.spread import Machine, Spread

MEGA, BITS = 1_000_000, 8
#: with which every machine asks the controller only
NO_PASSING_ON = 0


def seconds(count: int, content: bytes, mbit: float) -> tuple[float, int]:
    """Return how long it takes until all machines have it, and what left the controller."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"

    @contextmanager
    def opened(_: str) -> Iterator[IO[bytes]]:
        yield io.BytesIO(content)

    with tempfile.TemporaryDirectory() as root:
        machines = [
            Machine(
                name=f"machine-{number}",
                address="127.0.0.1",
                reach=(),
                directory=str(Path(root, str(number))),
                ctr=["false"],
                missing=frozenset([digest]),
            )
            for number in range(count)
        ]
        spread = Spread(sizes={digest: len(content)}, open_blob=opened, bytes_per_s=mbit * MEGA / BITS)
        started = time.monotonic()
        outcome = spread.run(machines)
        if outcome.problems:
            sys.exit(f"not all machines have it: {outcome.problems}")
        return time.monotonic() - started, outcome.sent_bytes


def main() -> None:
    """Time both ways for each number of machines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--megabytes", type=int, default=16)
    parser.add_argument("--mbit", type=float, default=40)
    options = parser.parse_args()
    content = os.urandom(options.megabytes * MEGA)
    usual = schedule.REFUSALS
    print("| machines | passed on, s | sent, MB | by the controller alone, s | sent, MB |")
    print("| --- | --- | --- | --- | --- |")
    for count in options.machines:
        cells = []
        for refusals in (usual, NO_PASSING_ON):
            schedule.REFUSALS = refusals
            took, sent = seconds(count, content, options.mbit)
            cells.append(f"{took:.1f} | {sent / MEGA:.0f}")
        print(f"| {count} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
