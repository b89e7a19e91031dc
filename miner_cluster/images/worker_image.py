"""The recipes of the workers' images: built with buildah, kept as an OCI layout in the artifact store.

Layers that an earlier build compressed are not compressed again: hard links make them part of the new layout.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop
from miner_cluster.images.buildah import BaseImage, Buildah, pip_secrets, pull
from miner_cluster.images.layout import (
    INDEX,
    LAYOUT,
    MANIFEST_TYPE,
    MARKER,
    Descriptor,
    blob_name,
    digest_of,
    encode,
)
from miner_cluster.images.sources import (
    DOCKERFILE,
    IGNORES,
    Target,
    default_base,
    dependencies_digest,
    schema_digest,
    sources_digest,
)

NAMES: dict[Target, str] = {"workers": "worker-image", "models": "worker-image-models"}
#: changes when this module makes another image of the same sources
_VERSION = "1"
#: time stamp of all files, in seconds: the first day that zip archives can hold
_TIMESTAMP = "315532800"
_TAG = "worker:built"
#: what the Dockerfile calls the directory of models
_MODELS_CONTEXT = "local-models"
#: each has a storage of its own, so that none throws away what the other may use again
STORAGE: dict[Target, str] = {"workers": "buildah", "models": "buildah-models"}
_ESTIMATES: dict[Target, str] = {"workers": "about a minute", "models": "about two minutes"}
#: where the build finds packages as files
_WHEELS = "/wheels"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A compressed layer that is at hand."""

    descriptor: Descriptor
    path: Path


def worker_image(
    checkout: Path,
    base: BaseImage | None,
    known: Mapping[str, Layer],
    *,
    target: Target,
    models: Path | None = None,
    wheels: Path | None = None,
) -> Recipe:
    """Return the recipe of an image for the sources as they are now.

    Args:
        checkout: the repository.
        base: None is the one that the Dockerfile names.
        known: layers at hand, by the digest of their uncompressed content.
        target: with models or without.
        models: directory of models that become part of it.
        wheels: directory of all packages that it is built of; None asks the package index for them.

    Raises:
        ArtifactError: the sources are incomplete.
    """

    def digest() -> str:
        return sources_digest(checkout, target, models)

    sources = digest()
    chosen = base or BaseImage(reference=default_base(checkout))

    def build(shop: Workshop) -> dict[str, Any]:
        buildah = Buildah(shop=shop, storage=STORAGE[target])
        with buildah.alone(f"{dependencies_digest(checkout, target)} on {chosen.name}"):
            base_id = pull(buildah, chosen)
            _build(buildah, checkout, base_id, target=target, models=models, wheels=wheels)
            if digest() != sources:
                raise ArtifactError("the sources changed while the image was built; run again")
            made = shop.scratch / "pushed"
            _push(buildah, made, known)
        return _complete(made, shop.output, known) | {"base": base_id, "schema": schema_digest(checkout)}

    return Recipe(
        name=NAMES[target],
        version=_VERSION,
        source=f"Dockerfile on {chosen.reference}",
        inputs={
            "sources": sources,
            "base": chosen.name,
            "machine": platform.machine(),
        },
        estimate=_ESTIMATES[target],
        build=build,
    )


def _build(
    buildah: Buildah,
    checkout: Path,
    base_id: str,
    *,
    target: Target,
    models: Path | None,
    wheels: Path | None,
) -> None:
    context = ("--build-context", f"{_MODELS_CONTEXT}={models}") if models else ()
    shared = ("--volume", f"{wheels}:{_WHEELS}:ro") if wheels else ()
    settings = {"no-index": "true", "find-links": _WHEELS} if wheels else {}
    secrets = pip_secrets(buildah.shop.scratch, os.environ, **settings)
    buildah(
        "build",
        *("--isolation", "chroot", "--network", "host", "--format", "oci", "--layers"),
        *("--timestamp", _TIMESTAMP, "--identity-label=false", "--pull=never"),
        *("--build-arg", f"BASE_IMAGE={base_id}", "--target", target),
        *(*context, *shared),
        *(word for name, path in secrets.items() for word in ("--secret", f"id={name},src={path}")),
        *("--ignorefile", IGNORES, "--file", DOCKERFILE, "--tag", _TAG),
        ".",
        cwd=checkout,
    )


def _push(buildah: Buildah, made: Path, known: Mapping[str, Layer]) -> None:
    """Write the layout; an empty file in the place of a known layer makes buildah pass over it."""
    for digest in known:
        placeholder = made / blob_name(digest)
        placeholder.parent.mkdir(parents=True, exist_ok=True)
        placeholder.touch()
    buildah("push", "--quiet", "--compression-format", "zstd", _TAG, f"oci:{made}:built")


def _complete(made: Path, output: Path, known: Mapping[str, Layer]) -> dict[str, Any]:
    """Fill the artifact with the layout, known layers in their places; return its facts."""
    (pushed,) = json.loads((made / INDEX).read_bytes())["manifests"]
    manifest = json.loads((made / blob_name(pushed["digest"])).read_bytes())
    config = json.loads((made / blob_name(manifest["config"]["digest"])).read_bytes())
    (output / blob_name(pushed["digest"])).parent.mkdir(parents=True)
    layers: dict[str, Descriptor] = {}
    for diff_id, layer in zip(config["rootfs"]["diff_ids"], manifest["layers"], strict=True):
        if layer["digest"] == diff_id and diff_id in known:
            layers[diff_id] = known[diff_id].descriptor
            os.link(known[diff_id].path, output / blob_name(layers[diff_id]["digest"]))
        else:
            layers[diff_id] = layer
            (made / blob_name(layer["digest"])).rename(output / blob_name(layer["digest"]))
    (made / blob_name(manifest["config"]["digest"])).rename(output / blob_name(manifest["config"]["digest"]))
    content = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": manifest["config"],
            "layers": list(layers.values()),
        }
    )
    digest = digest_of(content)
    (output / blob_name(digest)).write_bytes(content)
    entry = {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(content)}
    (output / INDEX).write_bytes(encode({"schemaVersion": 2, "manifests": [entry]}))
    (output / MARKER).write_bytes(encode(LAYOUT))
    return {"image_id": manifest["config"]["digest"], "layers": layers}
