"""`python -m miner_cluster.artifacts`: make what a cluster needs, and show what is in the cache."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from data_miner.errors import MinerError
from miner_cluster.artifacts.builder import ensure_all
from miner_cluster.artifacts.plan import plan, result
from miner_cluster.artifacts.progress import megabytes
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import resolve_cluster
from miner_cluster.config_file import load_cluster_file

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    options = _parser().parse_args(arguments)
    store = Store()
    try:
        if options.command == "list":
            show(store)
        else:
            ensure(store, options.config)
    except MinerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing half made is left, and the next run goes on from here", file=sys.stderr)
        return _INTERRUPTED
    return 0


def ensure(store: Store, config: Path) -> None:
    """Make what the configuration needs; the result goes to stdout, progress to stderr.

    Raises:
        MinerError: the configuration is wrong, or something can't be made.
    """
    cluster = resolve_cluster(load_cluster_file(config).file, config_file=config)
    wanted = plan(cluster, store)
    recipes = wanted.recipes()
    made = ensure_all(store, recipes)
    store.progress.say(f"artifacts: {len(recipes) - len(made)} of {len(recipes)} were in {store.root}")
    print(json.dumps(result(wanted, store), indent=2))


def show(store: Store) -> None:
    """Print a line about each artifact in the cache."""
    for artifact in store.manifests():
        found = artifact.manifest
        size = megabytes(found.size)
        print(f"{found.name:20} {found.key}  {size:>8}  {found.version}  {found.stand_in or found.source}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m miner_cluster.artifacts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("ensure", help="make what a cluster needs and is not in the cache")
    make.add_argument("--config", type=Path, required=True, help="its cluster_config.yaml")
    commands.add_parser("list", help="show what is in the cache")
    return parser


if __name__ == "__main__":
    sys.exit(main())
