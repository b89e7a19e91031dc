"""All images named lab.local/…: those of Debian packages, and Loki, which comes as a Go module."""

from __future__ import annotations

from pathlib import Path

from miner_cluster.artifacts import debian_image
from miner_cluster.artifacts.go_image import GoImage, recipe
from miner_cluster.artifacts.oci import ImageConfig
from miner_cluster.artifacts.recipe import Recipe

REGISTRY = debian_image.REGISTRY
_LOKI_VERSION = "3.7.8"
#: the reference of Loki's image
LOKI = f"{REGISTRY}loki:{_LOKI_VERSION}"
_LOKI = GoImage(
    name="loki",
    reference=LOKI,
    source=f"Go module github.com/grafana/loki/v3 v{_LOKI_VERSION}, compiled here",
    # As the official image has it: the same user, the same paths, and no shell.
    config=ImageConfig(
        entrypoint=("/usr/bin/loki",),
        cmd=("-config.file=/etc/loki/local-config.yaml",),
        user="10001:10001",
    ),
    estimate="about 5 minutes",
    package="github.com/grafana/loki/v3/cmd/loki",
    path="/usr/bin/loki",
    variables={"github.com/grafana/loki/v3/pkg/util/build.Version": _LOKI_VERSION},
    directories={"/etc/loki": 0o755, "/loki": 0o1777},
    stand_in=f"{LOKI} is Loki, compiled here, in place of the official image",
)


def recipes(lab: Path) -> dict[str, Recipe]:
    """Return the recipes of all images, by reference, from the directory lab/ of the repository."""
    return debian_image.recipes(lab) | {_LOKI.reference: recipe(lab, _LOKI)}
