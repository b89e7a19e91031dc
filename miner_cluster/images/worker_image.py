"""The recipes of the workers' images: built with buildah, kept as an OCI layout in the artifact store.

buildah keeps its images and layers in a storage of its own below the cache, never in the user's. Layers that
an earlier build compressed are not compressed again: hard links make them part of the new layout.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.commands import require_command
from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop
from miner_cluster.artifacts.store import remove_tree
from miner_cluster.images import pip_settings
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
_ID = re.compile(r"^[0-9a-f]{64}$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """What the workers' image stands on; ``path`` None is pulled from its registry."""

    reference: str
    path: Path | None = None
    image_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A compressed layer that is at hand."""

    descriptor: Descriptor
    path: Path


@dataclass(frozen=True, kw_only=True)
class _Buildah:
    """buildah, with a storage below the compilers' caches."""

    shop: Workshop
    target: Target
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        require_command("buildah")
        object.__setattr__(self, "home", self.shop.cache / STORAGE[self.target])

    def __call__(self, command: str, *arguments: str, cwd: Path | None = None) -> str:
        storage = ("--root", str(self.home / "storage"), "--runroot", str(self.home / "run"))
        return self.shop.run("buildah", *storage, command, *arguments, cwd=cwd)

    @contextmanager
    def alone(self, purpose: str) -> Iterator[None]:
        """Keep other builds out of the storage, and clear away what a killed one left in it.

        Args:
            purpose: while it stays the same, layers of earlier builds are of use; else they go.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self("rm", "--all")
                self._begin(purpose)
            except ArtifactError:  # a kill left it inconsistent; everything in it can be made again
                remove_tree(self.home / "storage")
                remove_tree(self.home / "run")
            yield

    def _begin(self, purpose: str) -> None:
        note = self.home / "purpose"
        if note.exists() and note.read_text("utf-8") != purpose:
            self("rmi", "--all", "--force")
        note.write_text(purpose, "utf-8")


def worker_image(
    checkout: Path,
    base: BaseImage | None,
    known: Mapping[str, Layer],
    *,
    target: Target,
    models: Path | None = None,
) -> Recipe:
    """Return the recipe of an image for the sources as they are now.

    Args:
        checkout: the repository.
        base: None is the one that the Dockerfile names.
        known: layers at hand, by the digest of their uncompressed content.
        target: with models or without.
        models: directory of models that become part of it.

    Raises:
        ArtifactError: the sources are incomplete.
    """

    def digest() -> str:
        return sources_digest(checkout, target, models)

    sources = digest()
    chosen = base or BaseImage(reference=default_base(checkout))

    base_name = chosen.image_id or chosen.reference

    def build(shop: Workshop) -> dict[str, Any]:
        buildah = _Buildah(shop=shop, target=target)
        with buildah.alone(f"{dependencies_digest(checkout, target)} on {base_name}"):
            base_id = _pull(buildah, chosen)
            _build(buildah, checkout, base_id, models)
            if digest() != sources:
                raise ArtifactError("the sources changed while the image was built; run again")
            made = shop.scratch / "pushed"
            _push(buildah, made, known)
        return _complete(made, shop.output, known) | {"base": base_id}

    return Recipe(
        name=NAMES[target],
        version=_VERSION,
        source=f"Dockerfile on {chosen.reference}",
        inputs={
            "sources": sources,
            "base": base_name,
            "machine": platform.machine(),
        },
        estimate=_ESTIMATES[target],
        build=build,
    )


def _pull(buildah: _Buildah, base: BaseImage) -> str:
    """Return the ID, as buildah writes it, of the base image in its storage."""
    if base.path is None:
        said = buildah("pull", "--quiet", "--policy", "missing", base.reference)
    else:
        said = buildah("pull", "--quiet", f"{_transport(base.path)}:{base.path}")
    found = _ID.search(said)
    if found is None:
        raise ArtifactError(f"buildah pulled {base.reference} but named no image: {said!r}")
    if base.image_id not in (None, f"sha256:{found[0]}"):
        raise ArtifactError(
            f"the base image {base.reference} is sha256:{found[0]} instead of {base.image_id}; "
            f"remove {base.path} and run again"
        )
    return found[0]


def _transport(archive: Path) -> str:
    try:
        with tarfile.open(archive) as tar:
            names = {name.removeprefix("./") for name in tar.getnames()}
    except (OSError, tarfile.TarError) as error:
        raise ArtifactError(f"{archive} can't be read ({error}); remove it and run again") from error
    return "oci-archive" if MARKER in names else "docker-archive"


def _build(buildah: _Buildah, checkout: Path, base_id: str, models: Path | None) -> None:
    context = ("--build-context", f"{_MODELS_CONTEXT}={models}") if models else ()
    buildah(
        "build",
        *("--isolation", "chroot", "--network", "host", "--format", "oci", "--layers"),
        *("--timestamp", _TIMESTAMP, "--identity-label=false", "--pull=never"),
        *("--build-arg", f"BASE_IMAGE={base_id}", "--target", buildah.target),
        *context,
        *_secrets(buildah.shop.scratch),
        *("--ignorefile", IGNORES, "--file", DOCKERFILE, "--tag", _TAG),
        ".",
        cwd=checkout,
    )


def _secrets(scratch: Path) -> list[str]:
    arguments = []
    if bundle := pip_settings.ca_bundle(os.environ):
        arguments += ["--secret", f"id=ca,src={bundle}"]
    if text := pip_settings.pip_conf(os.environ):
        conf = scratch / "pip.conf"
        conf.touch(0o600)
        conf.write_text(text, "utf-8")
        arguments += ["--secret", f"id=pip,src={conf}"]
    return arguments


def _push(buildah: _Buildah, made: Path, known: Mapping[str, Layer]) -> None:
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
