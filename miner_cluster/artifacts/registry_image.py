"""Images of registries, for machines that can't pull them: fetched with buildah, kept as OCI archives."""

from __future__ import annotations

import hashlib
from typing import Any

from miner_cluster.artifacts.commands import require_command
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.recipe import Recipe, Workshop
from miner_cluster.images.layout import read_image

_FILE = "image.tar"
_NAME_DIGITS = 12


def recipe(reference: str) -> Recipe:
    """Return the recipe of an image, as its registry has it when it is fetched."""

    def build(shop: Workshop) -> dict[str, Any]:
        require_command("buildah")
        storage = ("--root", shop.scratch / "storage", "--runroot", shop.scratch / "run")
        archive = shop.output / _FILE
        said = shop.run("buildah", *storage, "pull", "--quiet", f"docker://{reference}")
        image_id = said.split()[-1]
        shop.run(
            "buildah",
            *(*storage, "push", "--quiet", "--compression-format", "zstd"),
            *(image_id, f"oci-archive:{archive}"),
        )
        return {"image_id": read_image(archive).image_id}

    digest = hashlib.sha256(reference.encode()).hexdigest()[:_NAME_DIGITS]
    return Recipe(
        name=f"registry-image-{digest}",
        version=reference,
        source=f"registry: {reference}",
        inputs={"architecture": architecture()},
        estimate="a minute",
        build=build,
        file=_FILE,
        reference=reference,
        verb="fetching",
    )
