"""The user's built images: finding the one of the current sources, building it, and forgetting old ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.commands import Commands
from miner_cluster.artifacts.progress import Progress
from miner_cluster.artifacts.store import Artifact, Store, remove_tree
from miner_cluster.images.buildah import BaseImage
from miner_cluster.images.layout import blob_name
from miner_cluster.images.sources import Target, default_base
from miner_cluster.images.wheelhouse import wheelhouse
from miner_cluster.images.worker_image import NAMES, Layer, worker_image

#: built images of each kind that stay, the one in use among them; they share what is equal
KEPT = 5


@dataclass
class LoggedCommands(Commands):
    """Writes what commands print to one file that outlives the build, so that it can be watched and read."""

    log_file: Path = field(kw_only=True)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> str:
        """Run a command; ``log`` is not used."""
        del log
        return super().run(argv, cwd=cwd, env=env, log=self.log_file, pass_fds=pass_fds)


@dataclass
class Told(Progress):
    """Hands lines to a function instead of writing them to a stream."""

    tell: Callable[[str], None] = field(kw_only=True)

    def say(self, text: str) -> None:
        """Hand over one line."""
        self.tell(text)


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """An image in the cache."""

    path: Path
    image_id: str


def find(
    checkout: Path, base: BaseImage | None, *, target: Target, models: Path | None = None
) -> BuiltImage | None:
    """Return an image of the current sources where it is in the cache.

    Raises:
        ArtifactError: the sources are incomplete.
    """
    found = Store(progress=Progress(write=None)).find(
        worker_image(checkout, base, {}, target=target, models=models)
    )
    return _built(found) if found else None


def build(
    checkout: Path,
    base: BaseImage | None,
    log_file: Path,
    *,
    target: Target,
    models: Path | None = None,
    tell: Callable[[str], None],
) -> BuiltImage:
    """Return an image of the current sources, built first where it is not in the cache.

    Args:
        checkout: the repository.
        base: None is the one that the Dockerfile names.
        log_file: where there is something to build, what the build prints.
        target: with models or without.
        models: directory of models that become part of it.
        tell: gets a line at the start, at the end, and every now and then.

    Raises:
        ArtifactError: it can't be built; the message ends with what the build said last.
    """
    if found := find(checkout, base, target=target, models=models):
        return found
    log_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.write_text("")
    store = Store(progress=Told(tell=tell), commands=LoggedCommands(log_file=log_file))
    packages = store.find(wheelhouse(checkout, base or BaseImage(reference=default_base(checkout)), target))
    made = store.ensure(
        worker_image(
            checkout,
            base,
            _known_layers(store),
            target=target,
            models=models,
            wheels=packages.path if packages else None,
        )
    )
    _forget_old(store, made)
    return _built(made)


def with_id(image_id: str) -> Path | None:
    """Return where an image lies that was built before, by its ID."""
    store = Store(progress=Progress(write=None))
    return next((image.path for image in _images(store) if _is(image, image_id)), None)


def schema_of(image_id: str) -> str | None:
    """Return what tells the database's schema that an image brings; None where it is not in the cache."""
    images = _images(Store(progress=Progress(write=None)))
    return next((image.manifest.facts.get("schema") for image in images if _is(image, image_id)), None)


def _is(artifact: Artifact, image_id: str) -> bool:
    return _built(artifact).image_id == image_id


def _built(artifact: Artifact) -> BuiltImage:
    return BuiltImage(path=artifact.path, image_id=artifact.manifest.facts["image_id"])


def _known_layers(store: Store) -> dict[str, Layer]:
    """Return the layers in the cache, by the digest of what they hold uncompressed."""
    layers = {
        diff_id: Layer(descriptor=descriptor, path=image.path / blob_name(descriptor["digest"]))
        for image in _images(store)
        for diff_id, descriptor in _layers(image).items()
    }
    return {diff_id: layer for diff_id, layer in layers.items() if layer.path.is_file()}


def _layers(image: Artifact) -> dict[str, dict[str, Any]]:
    layers: dict[str, dict[str, Any]] = image.manifest.facts["layers"]
    return layers


def _images(store: Store) -> list[Artifact]:
    return [artifact for artifact in store.manifests() if artifact.manifest.name in NAMES.values()]


def _forget_old(store: Store, made: Artifact) -> None:
    """Remove all but the newest images; what is left of a killed removal counts as an unfinished build."""
    name = made.manifest.name
    others = [image for image in _images(store) if image.manifest.name == name and image.path != made.path]
    others.sort(key=lambda image: image.path.stat().st_mtime, reverse=True)
    for image in others[KEPT - 1 :]:
        doomed = image.path.with_suffix(".partial")
        image.path.rename(doomed)
        remove_tree(doomed)
