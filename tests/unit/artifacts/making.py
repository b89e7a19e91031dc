"""Recipes to test with, also in processes of their own: `python -m tests.unit.artifacts.making CACHE LOG`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.builder import ensure_all
from miner_cluster.artifacts.progress import Progress
from miner_cluster.artifacts.recipe import Recipe, Workshop
from miner_cluster.artifacts.store import Store

#: a shell that starts a child which would outlive it, says that it runs, and waits
HANGING = 'sleep 600 & echo "$!" >>"$0"; wait'
#: takes a moment, and counts
COUNTING = 'echo made >>"$0"; sleep 0.5'


def make_recipe(
    build: Callable[[Workshop], dict[str, Any]], *, name: str = "thing", text: str = "one", version: str = "1"
) -> Recipe:
    """Return a recipe whose key depends on the text and the version."""
    return Recipe(
        name=name, version=version, source="here", inputs={"text": text}, estimate="a moment", build=build
    )


def file_recipe(text: str = "content", *, name: str = "thing") -> Recipe:
    """Return a recipe that writes one file."""

    def build(shop: Workshop) -> dict[str, Any]:
        (shop.output / "file").write_text(text)
        return {"length": len(text)}

    return make_recipe(build, name=name, text=text)


def shell_recipe(script: str, log: Path, *, name: str = "thing") -> Recipe:
    """Return a recipe that writes a file, then runs a shell script that has the log as $0."""

    def build(shop: Workshop) -> dict[str, Any]:
        (shop.output / "file").write_text("content")
        shop.run("sh", "-c", script, log)
        return {}

    return make_recipe(build, name=name)


def quiet_store(root: Path) -> Store:
    """Return a store that says nothing."""
    return Store(root=root, progress=Progress(write=None))


if __name__ == "__main__":
    cache, record, what = sys.argv[1:]
    try:
        ensure_all(quiet_store(Path(cache)), [shell_recipe(what, Path(record))])
    except KeyboardInterrupt:
        sys.exit(130)
