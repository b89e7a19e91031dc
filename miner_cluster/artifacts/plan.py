"""Which artifacts a configuration needs, and what playbooks get to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miner_cluster.artifacts import (
    airgap,
    clips,
    k3s,
    lab_images,
    node_image,
    nvidia_toolkit,
    registry_image,
)
from miner_cluster.artifacts.recipe import ArtifactError, Recipe
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT, Cluster
from miner_cluster.model_workers import model_workers

LAB = CHECKOUT / "lab"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a cluster needs from the store."""

    k3s: Recipe
    airgap: list[Recipe]
    images: list[Recipe]
    base_image: Recipe | None
    models_base_image: Recipe | None
    node_image: Recipe | None
    clips: Recipe | None
    nvidia_toolkit: Recipe | None

    def recipes(self) -> list[Recipe]:
        """Return all of them, each once, the longest first."""
        optional = (
            self.node_image,
            self.models_base_image,
            self.base_image,
            self.nvidia_toolkit,
            self.clips,
        )
        found = [self.k3s, *self.airgap, *self.images, *(recipe for recipe in optional if recipe)]
        return list({(recipe.name, recipe.key): recipe for recipe in found}.values())


def plan(
    cluster: Cluster,
    store: Store,
    *,
    lab: Path = LAB,
    look_only: bool = False,
    nvidia: bool = False,
    directory: Store | None = None,
) -> Plan:
    """Return what a cluster needs; looks whether k3s can be fetched where it is not in the cache.

    Args:
        cluster: the configuration.
        store: the cache.
        lab: the directory lab/ of the repository.
        look_only: whether nothing is made afterwards.
        nvidia: whether a machine gets NVIDIA's container toolkit.
        directory: takes the internet's place, so that machines get also what registries have.

    Raises:
        ArtifactError: something that the configuration names can't be had; k3s may where one only looks.
    """
    images = lab_images.recipes(lab)
    allowed = cluster.lab is not None
    self_contained = directory is not None
    program = k3s.choose(
        store,
        cluster.k3s_version,
        lab=lab,
        stand_in_allowed=allowed,
        look_only=look_only,
        directory=directory,
    )
    if program.stand_in:
        archives = airgap.recipes(lab)
    else:
        release_images = k3s.airgap_images(store, cluster.k3s_version, wanted=self_contained)
        archives = [release_images] if release_images else []
    return Plan(
        k3s=program,
        airgap=archives,
        images=[
            _known(images, reference, key) if _is_made_here(reference) else registry_image.recipe(reference)
            for reference, key in _references(cluster).items()
            if self_contained or _is_made_here(reference)
        ],
        base_image=_base(images, cluster.image.base, "image.base", self_contained=self_contained),
        models_base_image=(
            _base(
                images,
                cluster.image.models_base or cluster.image.base,
                "image.models_base",
                self_contained=self_contained,
            )
            if model_workers(cluster)
            else None
        ),
        node_image=node_image.recipe(lab) if cluster.lab else None,
        clips=clips.recipe(lab) if cluster.lab and cluster.lab.site_ip else None,
        nvidia_toolkit=nvidia_toolkit.recipe(lab) if nvidia else None,
    )


def result(plan: Plan, store: Store) -> dict[str, Any]:
    """Return what playbooks get; what is not there yet has the path that it will have, and no checksums."""
    return {
        "k3s": _program(store, plan.k3s),
        "airgap": [_with_sha256(store, recipe) for recipe in plan.airgap],
        "images": [_with_id(store, recipe) | {"stand_in": recipe.stand_in} for recipe in plan.images],
        "base_image": _with_id(store, plan.base_image) if plan.base_image else None,
        "models_base_image": _with_id(store, plan.models_base_image) if plan.models_base_image else None,
        "node_image": _named(store, plan.node_image) if plan.node_image else None,
        "clips": {"path": _path(store, plan.clips)} if plan.clips else None,
        "nvidia_toolkit": _programs(store, plan.nvidia_toolkit) if plan.nvidia_toolkit else None,
        "stand_ins": [recipe.stand_in for recipe in plan.recipes() if recipe.stand_in],
    }


def missing(plan: Plan, store: Store) -> list[Recipe]:
    """Return what is not in the cache, or damaged there."""
    return [recipe for recipe in plan.recipes() if store.find(recipe) is None]


def _references(cluster: Cluster) -> dict[str, str]:
    """Return the images that pods run, each with the key that names it."""
    found = {cluster.seaweedfs.image: "seaweedfs.image"}
    for name, service in cluster.infrastructure.items():
        found.setdefault(service.image, f"infrastructure.{name}.image")
    if plugin := cluster.nvidia.device_plugin:
        found.setdefault(plugin, "nvidia.device_plugin")
    return found


def _base(images: dict[str, Recipe], reference: str, key: str, *, self_contained: bool) -> Recipe | None:
    """Return the recipe of a base; builds pull one from a registry by themselves where they can."""
    if _is_made_here(reference):
        return _known(images, reference, key)
    return registry_image.recipe(reference) if self_contained else None


def _is_made_here(reference: str) -> bool:
    return reference.startswith(lab_images.REGISTRY)


def _known(images: dict[str, Recipe], reference: str, key: str) -> Recipe:
    try:
        return images[reference]
    except KeyError:
        raise ArtifactError(
            f"{key}: {reference} is not made here; use one of {', '.join(images)}, or an image from elsewhere"
        ) from None


def _path(store: Store, recipe: Recipe) -> str:
    return str(store.directory(recipe) / recipe.file)


def _with_sha256(store: Store, recipe: Recipe) -> dict[str, Any]:
    found = store.find(recipe)
    return {"path": _path(store, recipe), "sha256": found.manifest.sha256 if found else ""}


def _program(store: Store, recipe: Recipe) -> dict[str, Any]:
    return _with_sha256(store, recipe) | {
        "version": recipe.version,
        "source": recipe.source,
        "stand_in": recipe.stand_in,
    }


def _programs(store: Store, recipe: Recipe) -> dict[str, Any]:
    found = store.find(recipe)
    files = {name: file.sha256 for name, file in found.manifest.files.items()} if found else {}
    return {"path": str(store.directory(recipe)), "version": recipe.version, "files": files}


def _named(store: Store, recipe: Recipe) -> dict[str, Any]:
    return {"reference": recipe.reference, "path": _path(store, recipe)}


def _with_id(store: Store, recipe: Recipe) -> dict[str, Any]:
    found = store.find(recipe)
    return _named(store, recipe) | {"image_id": found.manifest.facts["image_id"] if found else ""}
