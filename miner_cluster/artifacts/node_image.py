"""The root file system of the lab's machines: a small Debian server with what Kubernetes needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from miner_cluster.artifacts.debian import RootFilesystem, build_root_filesystem, mirror
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.recipe import Recipe, Workshop, files_digest

REFERENCE = "lab.local/node:bookworm"
FILE = "node.tar"
#: later releases' systemd refuses machines with version 1 control groups
SUITE: Final = "bookworm"


def recipe(lab: Path) -> Recipe:
    """Return the recipe of the file system, from the directory lab/ of the repository."""
    inputs = lab / "images" / "node"
    packages = (inputs / "packages").read_text("utf-8").split()

    def build(shop: Workshop) -> dict[str, Any]:
        wanted = RootFilesystem(
            suite=SUITE,
            variant="minbase",
            packages=tuple(packages),
            customize=inputs / "customize",
            leave_out=("/usr/lib/sysctl.d/*",),
        )
        build_root_filesystem(shop, wanted, shop.output / FILE)
        return {}

    return Recipe(
        name="node-image",
        version="1",
        source=f"Debian {SUITE} packages from {mirror()}",
        inputs={
            "files": files_digest(inputs, ["packages", "customize"]),
            "architecture": architecture(),
            "mirror": mirror(),
        },
        estimate="about a minute",
        build=build,
        file=FILE,
        reference=REFERENCE,
    )
