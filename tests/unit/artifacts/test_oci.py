"""Archives of container images."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.artifacts.oci import ImageConfig, Layer, compress, files_tar, write_archive
from miner_cluster.artifacts.recipe import Workshop
from miner_cluster.artifacts.store import Store
from tests.unit.artifacts.making import make_recipe

REFERENCE = "lab.local/thing:1.0"
CONFIG = ImageConfig(entrypoint=("/thing",), env={"B": "2", "A": "1"}, user="7:7", stop_signal="SIGINT")


def layer_of(path: Path) -> Layer:
    digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    return Layer(path=path, digest=digest, diff_id=digest)


def make_layer(directory: Path) -> Layer:
    (directory / "program").write_text("#!/bin/sh\n")
    tar = directory / "layer.tar"
    files_tar({"/bin/thing": (directory / "program", 0o755)}, tar, directories={"/spool": 0o1777})
    return layer_of(tar)


def read_json(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.loads(file.read())


def blob(digest: str) -> str:
    return digest.replace("sha256:", "blobs/sha256/")


def test_the_image_id_is_the_digest_of_the_configuration(tmp_path: Path) -> None:
    layer = make_layer(tmp_path)
    image_id = write_archive(tmp_path / "image.tar", REFERENCE, [layer], CONFIG, architecture="amd64")
    with tarfile.open(tmp_path / "image.tar") as archive:
        entry = read_json(archive, "index.json")["manifests"][0]
        manifest = read_json(archive, blob(entry["digest"]))
        config = read_json(archive, blob(image_id))
    assert entry["annotations"] == {
        "io.containerd.image.name": REFERENCE,
        "org.opencontainers.image.ref.name": "1.0",
    }
    assert manifest["config"]["digest"] == image_id
    assert [found["digest"] for found in manifest["layers"]] == [layer.digest]
    assert config["rootfs"]["diff_ids"] == [layer.diff_id]
    assert config["config"] == {
        "Entrypoint": ["/thing"],
        "Env": ["A=1", "B=2"],
        "User": "7:7",
        "StopSignal": "SIGINT",
    }


def test_every_blob_has_the_name_of_its_content(tmp_path: Path) -> None:
    write_archive(tmp_path / "image.tar", REFERENCE, [make_layer(tmp_path)], CONFIG, architecture="amd64")
    with tarfile.open(tmp_path / "image.tar") as archive:
        blobs = [member for member in archive.getmembers() if member.name.startswith("blobs/")]
        assert len(blobs) == 3
        for member in blobs:
            file = archive.extractfile(member)
            assert file is not None
            assert member.name.rpartition("/")[2] == hashlib.sha256(file.read()).hexdigest()


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    archives = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        layer = make_layer(directory)
        write_archive(directory / "image.tar", REFERENCE, [layer], CONFIG, architecture="amd64")
        archives.append((directory / "image.tar").read_bytes())
    assert archives[0] == archives[1]


def test_files_have_their_modes_and_belong_to_root(tmp_path: Path) -> None:
    layer = make_layer(tmp_path)
    with tarfile.open(layer.path) as tar:
        found = {member.name: (member.mode, member.uid, member.isdir()) for member in tar.getmembers()}
    assert found == {"spool": (0o1777, 0, True), "bin/thing": (0o755, 0, False)}


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is installed with the lab's packages")
def test_a_layer_knows_what_is_packed_and_what_is_in_it(store: Store, tmp_path: Path) -> None:
    content = b"x" * 10_000
    (tmp_path / "layer.tar").write_bytes(content)
    found: list[Layer] = []

    def build(shop: Workshop) -> dict[str, Any]:
        found.append(compress(shop, tmp_path / "layer.tar"))
        shutil.copy(found[0].path, shop.output)
        return {}

    store.ensure(make_recipe(build))
    assert found[0].diff_id == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert found[0].digest == f"sha256:{hashlib.sha256(found[0].path.read_bytes()).hexdigest()}"
    assert found[0].path.stat().st_size < len(content)
