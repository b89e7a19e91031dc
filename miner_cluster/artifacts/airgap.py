"""The images that every node of the stand-in needs to run pods at all: the pause program and CoreDNS."""

from __future__ import annotations

from pathlib import Path

from miner_cluster.artifacts.go_image import GoImage, recipe
from miner_cluster.artifacts.oci import ImageConfig
from miner_cluster.artifacts.recipe import Recipe

#: under the names that k3s gives them
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
    return [recipe(lab, image) for image in _IMAGES]
