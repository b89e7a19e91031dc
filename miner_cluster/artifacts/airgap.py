"""The images that every node of the stand-in needs to run pods at all: the pause program and CoreDNS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.golang import compiler, go_build
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.oci import ImageConfig, compress, files_tar, write_archive
from miner_cluster.artifacts.recipe import Recipe, Workshop, files_digest

#: bump when the code here gives other bytes for the same sources
_VERSION = "1"
_DIRECTORIES = {"/etc": 0o755, "/tmp": 0o1777}  # noqa: S108 - within the image


@dataclass(frozen=True, kw_only=True)
class GoImage:
    """An image that holds one program, compiled from lab/images/<name>."""

    name: str
    #: as k3s names it
    reference: str
    source: str
    config: ImageConfig
    estimate: str


_IMAGES = (
    GoImage(
        name="pause",
        reference="docker.io/rancher/mirrored-pause:3.6",
        source="lab/images/pause, compiled here",
        config=ImageConfig(entrypoint=("/pause",), user="65535:65535"),
        estimate="about half a minute",
    ),
    GoImage(
        name="coredns",
        reference="docker.io/rancher/mirrored-coredns-coredns:1.11.3",
        source="Go module github.com/coredns/coredns v1.11.3, compiled here",
        config=ImageConfig(entrypoint=("/coredns",)),
        estimate="about 2 minutes",
    ),
)


def recipes(lab: Path) -> list[Recipe]:
    """Return the recipes of the images, from the directory lab/ of the repository."""
    return [_recipe(lab, image) for image in _IMAGES]


def _recipe(lab: Path, image: GoImage) -> Recipe:
    module = lab / "images" / image.name
    toolchain = compiler(lab)

    def build(shop: Workshop) -> dict[str, Any]:
        program = shop.scratch / image.name
        go_build(shop, toolchain, module, program)
        tar = shop.scratch / "layer.tar"
        files_tar({f"/{image.name}": (program, 0o755)}, tar, directories=_DIRECTORIES)
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
            "files": files_digest(module, ["*.go", "go.*"]),
            "compiler": toolchain.key,
            "architecture": architecture(),
            "reference": image.reference,
            "config": image.config.plain(),
        },
        estimate=image.estimate,
        file=f"{image.name}.tar",
        reference=image.reference,
        build=build,
    )
