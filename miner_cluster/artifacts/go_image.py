"""Container images that hold one program, compiled from the Go module in lab/images/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.golang import compiler, go_build
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.oci import ImageConfig, compress, files_tar, write_archive
from miner_cluster.artifacts.recipe import Recipe, Workshop, files_digest

#: bump when the code here gives other bytes for the same sources
_VERSION = "1"
_DIRECTORIES = {"/etc": 0o755, "/tmp": 0o1777}  # noqa: S108 - within the image
_SOURCES = ("*.go", "go.*")


@dataclass(frozen=True, kw_only=True)
class GoImage:
    """One image, and the program in it."""

    #: of the directory in lab/images
    name: str
    reference: str
    source: str
    config: ImageConfig
    estimate: str
    #: the program's, as seen from the directory
    package: str = "."
    #: where it lies in the image; empty is /<name>
    path: str = ""
    #: values that the linker sets, by the full names of Go variables
    variables: Mapping[str, str] = field(default_factory=dict)
    #: modes of further directories, by path
    directories: Mapping[str, int] = field(default_factory=dict)
    #: a sentence for people where the image stands in for another one, else empty
    stand_in: str = ""

    def plain(self) -> dict[str, Any]:
        """Return what the content depends on beside the sources."""
        extra = {
            "package": self.package if self.package != "." else "",
            "path": self.path,
            "variables": dict(self.variables),
            "directories": dict(self.directories),
        }
        inputs = {"reference": self.reference, "config": self.config.plain()}
        return inputs | {name: value for name, value in extra.items() if value}


def recipe(lab: Path, image: GoImage) -> Recipe:
    """Return the recipe of an image, from the directory lab/ of the repository."""
    module = lab / "images" / image.name
    toolchain = compiler(lab)

    def build(shop: Workshop) -> dict[str, Any]:
        program = shop.scratch / image.name
        go_build(shop, toolchain, module, program, package=image.package, variables=image.variables)
        tar = shop.scratch / "layer.tar"
        files = {image.path or f"/{image.name}": (program, 0o755)}
        files_tar(files, tar, directories=_DIRECTORIES | dict(image.directories))
        archive = shop.output / f"{image.name}.tar"
        layers = [compress(shop, tar)]
        image_id = write_archive(archive, image.reference, layers, image.config, architecture=architecture())
        return {"image_id": image_id}

    return Recipe(
        name=f"image-{image.name}",
        version=image.reference.rpartition(":")[2],
        source=image.source,
        inputs={
            "recipe": _VERSION,
            "files": files_digest(module, [pattern for pattern in _SOURCES if any(module.glob(pattern))]),
            "compiler": toolchain.key,
            "architecture": architecture(),
            **image.plain(),
        },
        estimate=image.estimate,
        file=f"{image.name}.tar",
        reference=image.reference,
        stand_in=image.stand_in,
        build=build,
    )
