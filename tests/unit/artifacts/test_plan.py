"""What a configuration needs from the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from miner_cluster.artifacts import k3s, lab_images, nvidia_toolkit
from miner_cluster.artifacts.clips import read_clips
from miner_cluster.artifacts.plan import LAB, missing, plan, result
from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no release be reached."""
    monkeypatch.setenv(k3s.RELEASES_VARIABLE, "http://127.0.0.1:1")


def load(tmp_path: Path, change: Change = lambda _: None) -> Cluster:
    """Return the lab's cluster, with a change to its file."""
    data = yaml.safe_load((CHECKOUT / "inventory/lab/cluster_config.yaml").read_text())
    change(data)
    path = tmp_path / "changed" / "cluster_config.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(data))
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


def with_release(store: Store) -> None:
    """Put a k3s release into the cache, so that real machines can have it."""
    directory = k3s.drop_directory(store, "v1.31.0+k3s1")
    directory.mkdir(parents=True)
    for name in ("k3s", "k3s-arm64"):
        (directory / name).write_text("program")


def test_the_lab_needs_all_that_it_names(store: Store, tmp_path: Path) -> None:
    wanted = plan(load(tmp_path), store)
    assert {recipe.name for recipe in wanted.recipes()} == {
        "k3s-stand-in",
        "image-pause",
        "image-coredns",
        "image-seaweedfs",
        "image-adminer",
        "image-grafana-checker",
        "image-loki",
        "image-postgres",
        "image-python",
        "image-torch",
        "node-image",
        "clips",
    }


def test_real_machines_need_k3s_and_the_images_that_the_file_names(store: Store, tmp_path: Path) -> None:
    def real(data: dict[str, Any]) -> None:
        del data["lab"], data["image"]["base"], data["image"]["models_base"], data["k3s_app_overrides"]
        data["seaweedfs"]["image"] = "chrislusf/seaweedfs:4.48"

    with_release(store)
    wanted = plan(load(tmp_path, real), store)
    assert [recipe.name for recipe in wanted.recipes()] == [
        "k3s",
        "image-adminer",
        "image-grafana-checker",
        "image-loki",
        "image-postgres",
    ]
    assert result(wanted, store)["base_image"] is None
    assert result(wanted, store)["models_base_image"] is None
    assert result(wanted, store)["node_image"] is None
    assert result(wanted, store)["clips"] is None
    assert result(wanted, store)["airgap"] == []


def test_a_lab_without_a_site_needs_no_clips(store: Store, tmp_path: Path) -> None:
    def without_site(data: dict[str, Any]) -> None:
        del data["lab"]["site_ip"], data["k3s_app_overrides"]

    assert plan(load(tmp_path, without_site), store).clips is None


def test_without_workers_that_run_models_their_base_is_not_needed(store: Store, tmp_path: Path) -> None:
    def without_models(data: dict[str, Any]) -> None:
        for name in ("filter", "dedup", "detect"):
            del data["workers"][name]

    assert plan(load(tmp_path, without_models), store).models_base_image is None


@pytest.mark.parametrize(
    ("section", "key", "name"),
    [
        ("seaweedfs", "image", "seaweedfs.image"),
        ("image", "base", "image.base"),
        ("image", "models_base", "image.models_base"),
    ],
)
def test_an_image_that_is_not_made_here_is_an_error_that_names_those_that_are(
    store: Store, tmp_path: Path, section: str, key: str, name: str
) -> None:
    def unknown(data: dict[str, Any]) -> None:
        data[section][key] = "lab.local/unknown:1"

    with pytest.raises(ArtifactError) as error:
        plan(load(tmp_path, unknown), store)
    assert str(error.value).startswith(f"{name}: lab.local/unknown:1 is not made here; use one of ")
    for reference in lab_images.recipes(LAB):
        assert reference in str(error.value)


def test_before_anything_is_made_paths_are_known_and_checksums_are_not(store: Store, tmp_path: Path) -> None:
    wanted = plan(load(tmp_path), store)
    found = result(wanted, store)
    assert len(missing(wanted, store)) == len(wanted.recipes())
    assert found["k3s"]["path"].endswith("/k3s")
    assert found["k3s"]["sha256"] == ""
    assert found["node_image"]["path"] == str(store.directory(wanted.node_image) / "node.tar")  # type: ignore[arg-type]
    assert {image["reference"] for image in found["images"]} == {
        "lab.local/seaweedfs:4.48",
        "lab.local/postgres:15-debian",
        "lab.local/loki:3.7.8",
        "lab.local/grafana-checker:1",
        "lab.local/adminer:4.8.1-debian",
    }
    assert {image["image_id"] for image in found["images"]} == {""}
    assert len(found["stand_ins"]) == 8


def test_every_query_of_the_demo_finds_a_clip() -> None:
    queries = yaml.safe_load((CHECKOUT / "run_configs/demo.yaml").read_text())["search"]["queries"]
    clips = read_clips(LAB / "clips.yaml")
    for query in queries:
        assert [clip for clip in clips if query in clip.title.lower()], query
        assert [clip for clip in clips if f"#{query}" in clip.description], query
    assert len({clip.file for clip in clips}) == len(clips)


def test_every_image_names_files_that_are_there() -> None:
    for reference, recipe in lab_images.recipes(LAB).items():
        assert recipe.reference == reference
        assert recipe.file.endswith(".tar")


def test_the_image_of_loki_holds_the_version_that_it_names() -> None:
    module = (LAB / "images" / "loki" / "go.mod").read_text()
    version = lab_images.LOKI.rpartition(":")[2]
    assert f"github.com/grafana/loki/v3 v{version} " in module
    production = yaml.safe_load((CHECKOUT / "inventory/production/cluster_config.yaml").read_text())
    assert production["infrastructure"]["loki"]["image"] == f"grafana/loki:{version}"


def test_the_toolkit_for_gpus_is_wanted_only_where_a_machine_gets_it(store: Store, tmp_path: Path) -> None:
    cluster = load(tmp_path)
    assert result(plan(cluster, store), store)["nvidia_toolkit"] is None
    wanted = plan(cluster, store, nvidia=True)
    assert "nvidia-container-toolkit" in {recipe.name for recipe in wanted.recipes()}
    toolkit = result(wanted, store)["nvidia_toolkit"]
    assert toolkit["version"] == nvidia_toolkit.toolkit_version(LAB / "nvidia" / "toolkit")
    assert toolkit["files"] == {}


def test_a_module_that_requires_no_toolkit_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module other\n")
    with pytest.raises(ArtifactError, match="restore the file"):
        nvidia_toolkit.toolkit_version(tmp_path)
