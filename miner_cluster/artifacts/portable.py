"""A directory that has everything a cluster needs from outside: filled on one machine, used on another.

It is a store of its own. Both machines work with the user's cache as always; what it lacks is taken over from
the directory first, and the directory gets what was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.artifacts.builder import ensure_all
from miner_cluster.artifacts.plan import Plan
from miner_cluster.artifacts.recipe import Recipe
from miner_cluster.artifacts.store import Store
from miner_cluster.artifacts.wheels import wheels
from miner_cluster.cluster import CHECKOUT, Cluster
from miner_cluster.images import cache
from miner_cluster.images.buildah import BaseImage
from miner_cluster.images.sources import Target, default_base
from miner_cluster.images.wheelhouse import wheelhouse
from miner_cluster.images.worker_image import worker_image

#: what makes the controller's own Python environment, see scripts/bootstrap
_CONTROLLER = {"controller-packages": "requirements.lock", "controller-uv": "requirements-uv.lock"}


@dataclass(frozen=True, kw_only=True)
class _Built:
    """One of the workers' images."""

    target: Target
    base: BaseImage
    models: Path | None


def take_over(wanted: Plan, cluster: Cluster, store: Store, directory: Store) -> list[str]:
    """Copy what the cache lacks and the directory has into the cache; return its names.

    Raises:
        ArtifactError: there is no room for it.
    """
    first = [recipe.name for recipe in wanted.recipes() if store.take_over(recipe, directory)]
    # Whose keys follow from what the bases are, which is known now.
    second = [*_image_recipes(wanted, cluster, store), *_packages(wanted, cluster, store)]
    return first + [recipe.name for recipe in second if store.take_over(recipe, directory)]


def fill(
    wanted: Plan, cluster: Cluster, store: Store, directory: Store, tell: Callable[[str], None]
) -> list[str]:
    """Make all that a cluster needs, and what makes it anew after a change; copy what the directory lacks.

    Raises:
        ArtifactError: something can't be had.
    """
    ensure_all(store, wanted.recipes())
    packages = _packages(wanted, cluster, store)
    ensure_all(store, packages)
    for image in _images(wanted, cluster, store):
        log = Path(cluster.state_dir) / "image-build.log"
        cache.build(CHECKOUT, image.base, log, target=image.target, models=image.models, tell=tell)
    recipes = [*wanted.recipes(), *packages, *_image_recipes(wanted, cluster, store)]
    return [recipe.name for recipe in recipes if directory.take_over(recipe, store)]


def _packages(wanted: Plan, cluster: Cluster, store: Store) -> list[Recipe]:
    own = [wheels(name, CHECKOUT / lock, estimate="a minute") for name, lock in _CONTROLLER.items()]
    return own + [wheelhouse(CHECKOUT, image.base, image.target) for image in _images(wanted, cluster, store)]


def _image_recipes(wanted: Plan, cluster: Cluster, store: Store) -> Sequence[Recipe]:
    return [
        worker_image(CHECKOUT, image.base, {}, target=image.target, models=image.models)
        for image in _images(wanted, cluster, store)
    ]


def _images(wanted: Plan, cluster: Cluster, store: Store) -> list[_Built]:
    if not cluster.workers:
        return []
    found = [_Built(target="workers", base=_base(wanted.base_image, store), models=None)]
    if wanted.models_base_image:
        models = Path(cluster.image.models) if cluster.image.models else None
        base = _base(wanted.models_base_image, store)
        found.append(_Built(target="models", base=base, models=models))
    return found


def _base(recipe: Recipe | None, store: Store) -> BaseImage:
    """Return a base as it lies in the cache, or, where it is not there yet, by its name."""
    found = store.find(recipe) if recipe else None
    if recipe is None or found is None:
        return BaseImage(reference=recipe.reference if recipe else default_base(CHECKOUT))
    image_id = found.manifest.facts["image_id"]
    return BaseImage(reference=recipe.reference, path=found.path / recipe.file, image_id=image_id)
