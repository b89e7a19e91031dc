"""Where the k3s program comes from: releases served here, files put into the cache, or the stand-in."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from miner_cluster.artifacts import k3s
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.recipe import ArtifactError, Recipe
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT
from miner_cluster.k3s_version import minor
from tests.unit.artifacts.making import quiet_store

VERSION = "v1.31.0+k3s1"
LAB = CHECKOUT / "lab"
PROGRAM = b"#!/bin/sh\necho k3s\n"
SUMS = f"sha256sum-{architecture()}.txt"
ASSET = "k3s" if architecture() == "amd64" else "k3s-arm64"
IMAGES = f"k3s-airgap-images-{architecture()}.tar.zst"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""


def publish(directory: Path, *, digest: str | None = None) -> None:
    """Put the files of a release into a directory."""
    directory.mkdir(parents=True)
    (directory / ASSET).write_bytes(PROGRAM)
    (directory / IMAGES).write_bytes(b"images")
    lines = [
        f"{digest or hashlib.sha256(PROGRAM).hexdigest()}  {ASSET}",
        f"{hashlib.sha256(b'images').hexdigest()}  {IMAGES}",
    ]
    (directory / SUMS).write_text("\n".join(lines) + "\n")


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve releases from a directory."""
    root = tmp_path / "releases"
    root.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(k3s.RELEASES_VARIABLE, f"http://127.0.0.1:{server.server_port}")
        yield root
        server.shutdown()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no release be reached."""
    monkeypatch.setenv(k3s.RELEASES_VARIABLE, "http://127.0.0.1:1")


def choose(store: Store, *, lab: bool, version: str = VERSION) -> Recipe:
    return k3s.choose(store, version, lab=LAB, stand_in_allowed=lab)


@pytest.mark.parametrize("lab", [True, False])
def test_the_release_is_used_where_it_can_be_reached(store: Store, releases: Path, *, lab: bool) -> None:
    publish(releases / VERSION)
    recipe = choose(store, lab=lab)
    program = store.ensure(recipe).path / recipe.file
    assert program.read_bytes() == PROGRAM
    assert program.stat().st_mode & 0o777 == 0o755
    assert recipe.stand_in == ""


def test_a_wrong_checksum_is_an_error_and_nothing_is_kept(store: Store, releases: Path) -> None:
    publish(releases / VERSION, digest="0" * 64)
    recipe = choose(store, lab=False)
    with pytest.raises(ArtifactError, match=r"its SHA-256 is [0-9a-f]{64}, and the release says 0{64}"):
        store.ensure(recipe)
    assert list(store.manifests()) == []
    assert not list((store.root / "artifacts" / "k3s").glob("*.partial"))


def test_a_release_in_the_cache_is_used_without_asking(
    store: Store, releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(releases / VERSION)
    recipe = choose(store, lab=True)
    store.ensure(recipe)
    monkeypatch.setenv(k3s.RELEASES_VARIABLE, "http://127.0.0.1:1")
    assert choose(store, lab=True).key == recipe.key
    assert choose(store, lab=False).key == recipe.key


def test_files_of_a_release_that_were_put_into_the_cache_need_no_network(store: Store, offline: None) -> None:
    publish(k3s.drop_directory(store, VERSION))
    recipe = choose(store, lab=False)
    assert (store.ensure(recipe).path / recipe.file).read_bytes() == PROGRAM
    images = k3s.airgap_images(store, VERSION)
    assert images is not None
    assert (store.ensure(images).path / images.file).read_bytes() == b"images"


def test_a_wrong_file_in_the_cache_is_named(store: Store, offline: None) -> None:
    directory = k3s.drop_directory(store, VERSION)
    publish(directory)
    (directory / ASSET).write_text("something else")
    with pytest.raises(ArtifactError, match=re.escape(f"k3s: {directory}/{ASSET}: its SHA-256")):
        store.ensure(choose(store, lab=False))


def test_a_lab_takes_the_stand_in_where_no_release_can_be_reached(store: Store, offline: None) -> None:
    recipe = choose(store, lab=True)
    assert recipe.name == "k3s-stand-in"
    assert "stand" in recipe.name
    assert VERSION in recipe.stand_in


def test_who_only_looks_gets_no_error(store: Store, offline: None) -> None:
    recipe = k3s.choose(store, VERSION, lab=LAB, stand_in_allowed=False, look_only=True)
    assert recipe.name == "k3s"
    assert store.find(recipe) is None


def test_real_machines_get_an_error_that_names_the_directory(store: Store, offline: None) -> None:
    with pytest.raises(ArtifactError) as error:
        choose(store, lab=False)
    text = str(error.value)
    assert "see to the network" in text
    assert f"put the release's files {ASSET} and {SUMS} into {k3s.drop_directory(store, VERSION)}" in text


def test_a_version_that_nothing_stands_in_for_is_an_error_that_names_the_one(
    store: Store, offline: None
) -> None:
    with pytest.raises(ArtifactError, match=r"k3s_version: v1\.31\.0\+k3s1 or v1\.32\.2\+k3s1, for which"):
        choose(store, lab=True, version="v1.32.1+k3s1")


def test_the_launcher_stands_in_for_two_minor_versions_so_that_an_upgrade_can_be_tried(
    store: Store, offline: None
) -> None:
    first, second = (choose(store, lab=True, version=version) for version in k3s.stand_ins(LAB))
    assert first.version == VERSION
    assert minor(second.version) == (1, minor(first.version)[1] + 1)
    assert first.key != second.key


def test_the_modules_of_one_version_are_no_sources_of_the_other(store: Store, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    shutil.copytree(LAB / "k3s", lab / "k3s")
    shutil.copy(LAB / "go-requirements.lock", lab)
    before = {version: k3s.stand_in(lab, version).key for version in k3s.stand_ins(lab)}
    with (lab / "k3s" / "kubernetes-1.32.sum").open("a") as sums:
        sums.write("\n")
    after = {version: k3s.stand_in(lab, version).key for version in before}
    assert [version for version in before if before[version] != after[version]] == [list(before)[1]]


def test_a_release_without_the_checksum_is_an_error(store: Store, releases: Path) -> None:
    publish(releases / VERSION)
    (releases / VERSION / SUMS).write_text("")
    with pytest.raises(ArtifactError, match=f"no checksum of {ASSET}"):
        store.ensure(choose(store, lab=False))


def test_what_a_directory_has_is_chosen_without_the_internet(
    store: Store, releases: Path, tmp_path: Path
) -> None:
    directory = quiet_store(tmp_path / "directory")
    found = partial(k3s.choose, store, VERSION, lab=LAB, stand_in_allowed=True, directory=directory)
    assert found().name == "k3s-stand-in"
    publish(releases / VERSION)
    directory.ensure(k3s.release(directory, VERSION))
    shutil.rmtree(releases / VERSION)
    assert found().name == "k3s"
