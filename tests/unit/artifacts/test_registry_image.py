"""Images of registries as archives, with the real buildah and a registry of the tests' own."""

from __future__ import annotations

import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from miner_cluster.artifacts import registry_image
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.oci import Layer, compress, write_archive
from miner_cluster.artifacts.recipe import Workshop
from miner_cluster.artifacts.store import Store
from miner_cluster.images.layout import OciImage, open_blob, read_image
from tests.unit.artifacts.making import make_recipe
from tests.unit.artifacts.test_oci import CONFIG, REFERENCE, make_layer

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("buildah") or not shutil.which("zstd"),
    reason="needs root, buildah and zstd",
)


@pytest.fixture
def image(store: Store, tmp_path: Path) -> OciImage:
    made: list[Layer] = []

    def build(shop: Workshop) -> dict[str, str]:
        shutil.copy(make_layer(tmp_path).path, shop.output / "layer.tar")
        made.append(compress(shop, shop.output / "layer.tar"))
        write_archive(shop.output / "image.tar", REFERENCE, made, CONFIG, architecture=architecture())
        return {}

    found = read_image(store.ensure(make_recipe(build)).path / "image.tar")
    with tarfile.open(found.path) as archive:
        assert len(archive.getnames()) == 5
    return found


@pytest.fixture
def registry(image: OciImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a registry that has one image, under every name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_manifest = "/manifests/" in self.path
            name = image.manifest["digest"] if is_manifest else self.path.rpartition("/")[2]
            content = b"{}"
            if name in image.blobs:
                with open_blob(image, name) as file:
                    content = file.read()
            self.send_response(200)
            self.send_header("Content-Type", image.manifest["mediaType"] if is_manifest else "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 - as the base class wants it

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"localhost:{server.server_port}"
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
        yield address
        server.shutdown()


def test_an_image_is_fetched_as_it_is(store: Store, image: OciImage, registry: str) -> None:
    recipe = registry_image.recipe(f"{registry}/some/thing:1")
    found = store.ensure(recipe)
    assert found.manifest.facts["image_id"] == image.image_id
    assert read_image(found.path / recipe.file).image_id == image.image_id
