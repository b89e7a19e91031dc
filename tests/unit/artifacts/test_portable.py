"""A directory with everything that a cluster needs from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from miner_cluster.artifacts import k3s, portable
from miner_cluster.artifacts.plan import Plan, plan
from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop
from miner_cluster.artifacts.store import Store
from miner_cluster.artifacts.wheels import wheels
from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.images import cache
from miner_cluster.images.wheelhouse import wheelhouse
from miner_cluster.images.worker_image import worker_image
from tests.unit.artifacts.making import file_recipe, quiet_store


@pytest.fixture
def directory(tmp_path: Path) -> Store:
    return quiet_store(tmp_path / "directory")


def production(tmp_path: Path, **changes: Any) -> Cluster:
    data = yaml.safe_load((CHECKOUT / "inventory/production/cluster_config.yaml").read_text())
    path = tmp_path / "mine/cluster_config.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(data | changes))
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


def never(shop: Workshop) -> dict[str, Any]:
    raise AssertionError("made again")


def small(recipe: Recipe, made: list[str]) -> Recipe:
    """Return the recipe with a build that takes no time."""

    def build(shop: Workshop) -> dict[str, Any]:
        made.append(recipe.name)
        (shop.output / (recipe.file or "file")).write_text(recipe.name)
        return {"image_id": f"sha256:{recipe.key * 4}", "layers": {}}

    changed = dict(vars(recipe)) | {"build": build}
    return Recipe(**{name: changed[name] for name in Recipe.__dataclass_fields__})


def test_what_was_copied_is_what_it_was(store: Store, directory: Store) -> None:
    store.ensure(file_recipe("abc"))
    assert directory.take_over(file_recipe("abc"), store)
    assert not directory.take_over(file_recipe("abc"), store)
    found = directory.find(file_recipe("abc"))
    assert found
    assert (found.path / "file").read_text() == "abc"


def test_what_is_damaged_in_the_directory_is_not_taken(store: Store, directory: Store) -> None:
    made = directory.ensure(file_recipe("abc"))
    (made.path / "file").write_text("xyz")
    assert not store.take_over(file_recipe("abc"), directory)
    assert store.find(file_recipe("abc")) is None


def test_a_damaged_one_in_the_cache_is_replaced(store: Store, directory: Store) -> None:
    directory.ensure(file_recipe("abc"))
    (store.ensure(file_recipe("abc")).path / "file").write_text("xyz")
    assert store.take_over(file_recipe("abc"), directory)
    assert store.find(file_recipe("abc"))


def test_without_room_it_is_said_where(store: Store, tmp_path: Path) -> None:
    store.ensure(file_recipe("abc"))
    (tmp_path / "full").touch()
    with pytest.raises(ArtifactError, match=f"thing can't be copied to {tmp_path}/full/sub"):
        quiet_store(tmp_path / "full/sub").take_over(file_recipe("abc"), store)


def test_machines_without_internet_get_what_registries_have(
    store: Store, directory: Store, tmp_path: Path
) -> None:
    k3s.drop_directory(store, "v1.31.0+k3s1").mkdir(parents=True)
    for name in ("k3s", "k3s-arm64"):
        (k3s.drop_directory(store, "v1.31.0+k3s1") / name).touch()
    cluster = production(tmp_path)
    connected = plan(cluster, store)
    assert (connected.images, connected.base_image, connected.airgap) == ([], None, [])
    alone = plan(cluster, store, directory=directory)
    assert {recipe.reference for recipe in alone.images} == {
        "chrislusf/seaweedfs:4.48",
        "postgres:16",
        "grafana/loki:3.7.8",
        "grafana/grafana:12.0.0",
        "adminer:4.8.1",
    }
    assert alone.base_image
    assert alone.base_image.reference == "python:3.12-slim"
    assert [recipe.name for recipe in alone.airgap] == ["k3s-airgap-images"]


def test_a_directory_that_was_filled_spares_all_building(
    store: Store, directory: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every recipe gets a build of the test's own; the second machine may use none of them."""
    made: list[str] = []
    cluster = production(tmp_path)
    images: list[Recipe] = []

    def little(*arguments: Any, **options: Any) -> Plan:
        found = real_plan(*arguments, look_only=True, directory=directory)
        fields = {name: getattr(found, name) for name in Plan.__dataclass_fields__}
        for name, value in fields.items():
            if isinstance(value, Recipe):
                fields[name] = small(value, made)
            if isinstance(value, list):
                fields[name] = [small(recipe, made) for recipe in value]
        return Plan(**fields)

    def built(checkout: Path, base: Any, log: Path, *, target: Any, models: Any, tell: Any) -> None:
        recipe = small(real_worker_image(checkout, base, {}, target=target, models=models), made)
        images.append(recipe)
        first.ensure(recipe)

    real_plan, real_worker_image = plan, worker_image
    monkeypatch.setenv(k3s.RELEASES_VARIABLE, "http://127.0.0.1:1")
    real_wheels, real_house = wheels, wheelhouse
    monkeypatch.setattr(portable, "wheels", lambda *a, **o: small(real_wheels(*a, **o), made))
    monkeypatch.setattr(portable, "wheelhouse", lambda *a, **o: small(real_house(*a, **o), made))
    monkeypatch.setattr(cache, "build", built)
    first = store
    copied = portable.fill(little(cluster, first), cluster, first, directory, lambda _: None)
    assert sorted(copied) == sorted(made)
    assert {"wheels-workers", "wheels-models", "controller-packages", "worker-image"} <= set(copied)

    second = quiet_store(tmp_path / "second")
    made.clear()
    again = portable.take_over(little(cluster, second), cluster, second, directory)
    assert sorted(again) == sorted(copied)
    assert all(second.find(recipe) for recipe in images)
    assert made == []
    assert portable.take_over(little(cluster, second), cluster, second, directory) == []
