"""Images at rest and the archives that nodes get."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.images.archive import missing_blobs, write_archive
from miner_cluster.images.layout import INDEX, digest_of, read_image
from tests.unit.image.layouts import layout


def packed(source: Path, archive: Path, prefix: str = "") -> Path:
    with tarfile.open(archive, "w") as tar:
        for path in sorted(source.rglob("*")):
            tar.add(path, f"{prefix}{path.relative_to(source)}", recursive=False)
    return archive


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_directory_and_its_archive_hold_the_same_image(tmp_path: Path, prefix: str) -> None:
    image_id = layout(tmp_path / "a", b"base", b"code")
    found = read_image(tmp_path / "a")
    archived = read_image(packed(tmp_path / "a", tmp_path / "a.tar", prefix))
    assert found.image_id == archived.image_id == image_id
    assert found.blobs == archived.blobs
    assert found.blobs[digest_of(b"code")] == 4
    assert set(found.manifest) == {"mediaType", "digest", "size"}


def test_an_archive_holds_only_what_the_node_lacks(tmp_path: Path) -> None:
    layout(tmp_path / "a", b"base", b"code")
    images = {"lab.local/a:1": read_image(tmp_path / "a")}
    present = {digest_of(b"base"), *[images["lab.local/a:1"].image_id]}
    write_archive(tmp_path / "out.tar", images, present)
    blobs = [name for name in names(tmp_path / "out.tar") if name.startswith("blobs/")]
    assert sorted(blobs) == sorted(
        f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in missing_blobs(images, present)
    )
    assert len(blobs) == 2


def test_a_layer_of_two_images_travels_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        layout(tmp_path / name, b"base", name.encode())
    packed(tmp_path / "b", tmp_path / "b.tar")
    images = {"a:1": read_image(tmp_path / "a"), "b:1": read_image(tmp_path / "b.tar")}
    write_archive(tmp_path / "out.tar", images, ())
    found = names(tmp_path / "out.tar")
    assert len(found) == len(set(found)) == 2 + len(missing_blobs(images, ()))


def test_containerd_finds_the_full_names(tmp_path: Path) -> None:
    layout(tmp_path / "a", b"base")
    image = read_image(tmp_path / "a")
    write_archive(tmp_path / "out.tar", {"docker.io/library/a:1": image}, ())
    with tarfile.open(tmp_path / "out.tar") as tar:
        index = tar.extractfile(INDEX)
        assert index is not None
        (entry,) = json.load(index)["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "docker.io/library/a:1"}
    assert entry["digest"] == image.manifest["digest"]


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.tar holds no OCI image .*remove it"):
        read_image(path)


def test_a_layout_with_more_images_is_refused(tmp_path: Path) -> None:
    layout(tmp_path / "a", b"base")
    index = json.loads((tmp_path / "a" / INDEX).read_bytes())
    (tmp_path / "a" / INDEX).write_text(json.dumps({"manifests": index["manifests"] * 2}))
    with pytest.raises(ArtifactError, match="2 images instead of one"):
        read_image(tmp_path / "a")
