"""NVIDIA's container toolkit: the programs that give containers the GPUs, compiled here from its Go module.

The version and the digests of all sources are those of lab/nvidia/toolkit/go.mod and go.sum.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.golang import compiler, go
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop, files_digest

MODULE = "github.com/NVIDIA/nvidia-container-toolkit"
PROGRAMS = ("nvidia-cdi-hook", "nvidia-container-runtime", "nvidia-ctk")
#: bump when the code here gives other bytes for the same sources
_VERSION = "1"
#: The driver's library is opened when a program runs, and needs not be here when it is linked.
_LINKER = "-extldflags=-Wl,--export-dynamic,--unresolved-symbols=ignore-in-object-files,-z,lazy"


def recipe(lab: Path) -> Recipe:
    """Return the recipe of the programs, from the directory lab/ of the repository."""
    module = lab / "nvidia" / "toolkit"
    toolchain = compiler(lab)
    version = toolkit_version(module)

    def build(shop: Workshop) -> dict[str, Any]:
        shop.run("gcc", "--version")  # said in words where it is missing
        flags = f"-s -w {_LINKER} -X={MODULE}/internal/info.version={version}"
        packages = [f"{MODULE}/cmd/{program}" for program in PROGRAMS]
        options = ("-trimpath", f"-ldflags={flags}", "-o", f"{shop.output}/")
        go(shop, toolchain, module, "build", *options, *packages, cgo=True)
        return {}

    return Recipe(
        name="nvidia-container-toolkit",
        version=version,
        source=f"Go module {MODULE} v{version}, compiled here",
        inputs={
            "recipe": _VERSION,
            "files": files_digest(module, ["go.*"]),
            "compiler": toolchain.key,
            "architecture": architecture(),
        },
        estimate="about a minute",
        build=build,
    )


def toolkit_version(module: Path) -> str:
    """Return the version that a directory's go.mod requires.

    Raises:
        ArtifactError: it requires none.
    """
    text = (module / "go.mod").read_text("utf-8")
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(MODULE)} v([0-9.]+)", text, re.MULTILINE)
    if not found:
        raise ArtifactError(f"{module}/go.mod: no {MODULE}; restore the file from the repository")
    return found[1]
