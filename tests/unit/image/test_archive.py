"""Images at rest, and the archives that containerd imports."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.images.layout import INDEX, MARKER, all_blobs, blob_name, digest_of, read_image
from module_utils.node_images.containerd import write_layout
from tests.unit.image.layouts import layout


def packed(source: Path, archive: Path, prefix: str = "") -> Path:
    with tarfile.open(archive, "w") as tar:
        for path in sorted(source.rglob("*")):
            tar.add(path, f"{prefix}{path.relative_to(source)}", recursive=False)
    return archive


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_directory_and_its_archive_hold_the_same_image(tmp_path: Path, prefix: str) -> None:
    image_id = layout(tmp_path / "a", b"base", b"code")
    found = read_image(tmp_path / "a")
    archived = read_image(packed(tmp_path / "a", tmp_path / "a.tar", prefix))
    assert found.image_id == archived.image_id == image_id
    assert found.blobs == archived.blobs
    assert found.blobs[digest_of(b"code")] == 4
    assert set(found.manifest) == {"mediaType", "digest", "size"}


def test_a_layer_of_two_images_counts_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        layout(tmp_path / name, b"base", name.encode())
    images = [read_image(tmp_path / name) for name in ("a", "b")]
    assert len(all_blobs(images)) == 7


def test_an_import_names_the_images_in_full_and_holds_what_came(tmp_path: Path) -> None:
    layout(tmp_path / "a", b"base", b"code")
    image = read_image(tmp_path / "a")
    came = tmp_path / "incoming"
    came.mkdir()
    (came / digest_of(b"code").removeprefix("sha256:")).write_bytes(b"code")
    stream = io.BytesIO()
    write_layout(stream, {"docker.io/library/a:1": image.manifest}, came)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        files = {name: file.read() for name in tar.getnames() if (file := tar.extractfile(name))}
    blob = f"blobs/sha256/{digest_of(b'code').removeprefix('sha256:')}"
    assert files.keys() == {MARKER, INDEX, blob}
    assert files[blob] == b"code"
    (entry,) = json.loads(files[INDEX])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "docker.io/library/a:1"}
    assert entry["digest"] == image.manifest["digest"]


def test_an_import_gives_a_name_to_an_image_of_which_all_is_there(tmp_path: Path) -> None:
    layout(tmp_path / "a", b"base")
    stream = io.BytesIO()
    write_layout(stream, {"docker.io/library/a:1": read_image(tmp_path / "a").manifest}, tmp_path / "nothing")
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        assert set(tar.getnames()) == {MARKER, INDEX}


@pytest.mark.parametrize("digest", ["sha256:../../../etc/cron.d/x", "sha256:aa", "sha512:" + "a" * 64, 7])
def test_a_digest_that_would_lead_elsewhere_is_refused(tmp_path: Path, digest: object) -> None:
    layout(tmp_path / "a", b"base")
    index = json.loads((tmp_path / "a" / INDEX).read_bytes())
    manifest = tmp_path / "a" / blob_name(index["manifests"][0]["digest"])
    content = json.loads(manifest.read_bytes())
    content["layers"][0]["digest"] = digest
    manifest.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="holds no OCI image"):
        read_image(tmp_path / "a")


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
