"""Building, with a buildah of the tests' own that keeps to the real one's arguments and layout."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from miner_cluster.artifacts.progress import Progress
from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.artifacts.store import Store
from miner_cluster.images import cache
from miner_cluster.images.buildah import BaseImage
from miner_cluster.images.layout import digest_of, read_image
from miner_cluster.images.sources import Target
from miner_cluster.images.wheelhouse import wheelhouse
from tests.unit.image.test_archive import packed

BASE_LAYER = b"base"

#: an image has two layers, the base's and the package's; "compressed" is reversed
BUILDAH = f"""\
#!{sys.executable}
import json, os, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.unit.image.layouts import layout, put
from miner_cluster.images.layout import blob_name, digest_of
work = pathlib.Path(os.environ["FAKE_BUILDAH"])
home, command, arguments = pathlib.Path(sys.argv[2]), sys.argv[5], sys.argv[6:]
with (work / "calls").open("a") as calls:
    calls.write(json.dumps([command, *arguments]) + "\\n")
if command == "images" and (work / "pulled").exists():
    print((work / "pulled").read_text())
if command == "pull":
    print("a warning")
    print((work / "base_id").read_text())
if command == "build":
    print("building", *range(100), sep="\\n")
    if (work / "broken").exists():
        sys.exit("error: no network")
    if (work / "edit").exists():
        pathlib.Path("data_miner/__init__.py").write_text("edited")
    home.mkdir(parents=True, exist_ok=True)
    (home / "code").write_bytes(pathlib.Path("data_miner/__init__.py").read_bytes())
if command == "push":
    made = pathlib.Path(arguments[-1].split(":")[1])
    layers = [{BASE_LAYER!r}, (home / "code").read_bytes()]
    skipped = [(made / blob_name(digest_of(layer))).exists() for layer in layers]
    layout(made, *layers)
    manifest = made / blob_name(json.loads((made / "index.json").read_bytes())["manifests"][0]["digest"])
    content = json.loads(manifest.read_bytes())
    for entry, layer, skip in zip(content["layers"], layers, skipped):
        if not skip:
            entry.update(put(made, layer[::-1]))
    manifest.write_text(json.dumps(content))
"""


@dataclass
class Buildah:
    """The stand-in, and what it was asked."""

    work: Path
    lines: list[str] = field(default_factory=list)

    def calls(self) -> list[list[str]]:
        file = self.work / "calls"
        return [json.loads(call) for call in file.read_text().splitlines()] if file.exists() else []

    def commands(self) -> list[str]:
        return [call[0] for call in self.calls()]

    def arguments(self, command: str) -> list[str]:
        return next(call for call in self.calls() if call[0] == command)[1:]

    def build(
        self, checkout: Path, base: BaseImage | None = None, target: Target = "workers"
    ) -> cache.BuiltImage:
        log = self.work / "state/build.log"
        return cache.build(checkout, base, log, target=target, tell=self.lines.append)


@pytest.fixture
def buildah(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buildah:
    work = tmp_path / "fake"
    (work / "bin").mkdir(parents=True)
    (work / "base_id").write_text("b" * 64)
    program = work / "bin/buildah"
    program.write_text(BUILDAH)
    program.chmod(0o755)
    monkeypatch.setenv("FAKE_BUILDAH", str(work))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DATA_MINER_CACHE", str(tmp_path / "cache"))
    return Buildah(work)


def test_an_image_is_built_once(checkout: Path, buildah: Buildah) -> None:
    assert cache.find(checkout, None, target="workers") is None
    built = buildah.build(checkout)
    calls = len(buildah.commands())
    assert buildah.build(checkout) == built == cache.find(checkout, None, target="workers")
    assert len(buildah.commands()) == calls
    assert read_image(built.path).image_id == built.image_id


def test_an_image_that_was_built_is_found_by_its_id(checkout: Path, buildah: Buildah) -> None:
    built = buildah.build(checkout)
    (checkout / "data_miner/__init__.py").write_text("y = 1\n")
    buildah.build(checkout)
    assert cache.with_id(built.image_id) == built.path
    assert cache.with_id("sha256:none") is None


def test_an_image_tells_which_schema_of_the_database_it_brings(checkout: Path, buildah: Buildah) -> None:
    migration = checkout / "data_miner/db/migrations/0001_first.sql"
    migration.parent.mkdir(parents=True)
    migration.write_text("CREATE TABLE one ();")
    first = buildah.build(checkout)
    (checkout / "data_miner/__init__.py").write_text("y = 1\n")
    other_code = buildah.build(checkout)
    migration.with_name("0002_second.sql").write_text("CREATE TABLE two ();")
    (checkout / "data_miner/__init__.py").write_text("y = 2\n")
    other_schema = buildah.build(checkout)
    schemas = [cache.schema_of(built.image_id) for built in (first, other_code, other_schema)]
    assert schemas[0] is not None
    assert schemas[0] == schemas[1] != schemas[2]
    assert cache.schema_of("sha256:none") is None


def test_a_change_keeps_the_layers_that_stay(checkout: Path, buildah: Buildah) -> None:
    first = read_image(buildah.build(checkout).path)
    (checkout / "data_miner/__init__.py").write_text("y = 1\n")
    second = read_image(buildah.build(checkout).path)
    assert first.image_id != second.image_id
    shared = digest_of(BASE_LAYER[::-1])
    assert shared in first.blobs
    assert shared in second.blobs
    blob = f"blobs/{shared.replace(':', '/')}"
    assert (first.path / blob).stat().st_ino == (second.path / blob).stat().st_ino


@pytest.mark.usefixtures("buildah")
def test_every_blob_is_what_its_name_says(checkout: Path, buildah: Buildah) -> None:
    buildah.build(checkout)
    (checkout / "data_miner/__init__.py").write_text("y = 1\n")
    image = read_image(buildah.build(checkout).path)
    for digest, size in image.blobs.items():
        content = (image.path / "blobs" / digest.replace(":", "/")).read_bytes()
        assert (digest_of(content), len(content)) == (digest, size)


def test_a_base_that_is_there_already_is_not_unpacked_again(
    checkout: Path, buildah: Buildah, tmp_path: Path
) -> None:
    archive = tmp_path / "base.tar"
    base = BaseImage(reference="base", path=archive, image_id=f"sha256:{'c' * 64}")
    (buildah.work / "pulled").write_text(f"sha256:{'d' * 64}\nsha256:{'c' * 64}\n")
    buildah.build(checkout, base)
    assert "pull" not in buildah.commands()
    assert f"BASE_IMAGE={'c' * 64}" in buildah.arguments("build")


def test_a_failure_shows_what_was_said_last_and_leaves_nothing(checkout: Path, buildah: Buildah) -> None:
    (buildah.work / "broken").touch()
    with pytest.raises(ArtifactError, match=r"(?s)buildah failed.*\n99\nerror: no network$"):
        buildah.build(checkout)
    assert "error: no network" in (buildah.work / "state/build.log").read_text()
    assert cache.find(checkout, None, target="workers") is None
    (buildah.work / "broken").unlink()
    assert buildah.build(checkout) == cache.find(checkout, None, target="workers")


def test_an_edit_during_the_build_is_noticed(checkout: Path, buildah: Buildah) -> None:
    (buildah.work / "edit").touch()
    with pytest.raises(ArtifactError, match="changed while the image was built; run again"):
        buildah.build(checkout)


def test_layers_of_other_dependencies_are_thrown_away(checkout: Path, buildah: Buildah) -> None:
    buildah.build(checkout)
    (checkout / "data_miner/__init__.py").write_text("y = 1\n")
    buildah.build(checkout)
    assert "rmi" not in buildah.commands()
    (checkout / "image/requirements.lock").write_text("a==2\n")
    buildah.build(checkout)
    assert buildah.arguments("rmi") == ["--all", "--force"]


def test_the_image_with_models_is_another_and_shares_layers(checkout: Path, buildah: Buildah) -> None:
    small = buildah.build(checkout)
    large = buildah.build(checkout, target="models")
    assert cache.find(checkout, None, target="models") == large
    assert small.path != large.path
    targets = [call[call.index("--target") + 1] for call in buildah.calls() if call[0] == "build"]
    assert targets == ["workers", "models"]
    assert "rmi" not in buildah.commands()


def test_it_says_what_goes_on(checkout: Path, buildah: Buildah) -> None:
    buildah.build(checkout)
    assert [line.split()[1] for line in buildah.lines] == ["building,", "done"]


@pytest.mark.parametrize(("marker", "transport"), [("oci-layout", "oci-archive"), ("x", "docker-archive")])
def test_the_base_is_read_from_its_archive(
    checkout: Path, buildah: Buildah, tmp_path: Path, marker: str, transport: str
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / marker).touch()
    archive = packed(tmp_path / "base", tmp_path / "base.tar")
    buildah.build(checkout, BaseImage(reference="b:1", path=archive, image_id=f"sha256:{'b' * 64}"))
    assert buildah.arguments("pull")[-1] == f"{transport}:{archive}"
    assert f"BASE_IMAGE={'b' * 64}" in buildah.arguments("build")


def test_a_base_with_another_id_is_refused(checkout: Path, buildah: Buildah, tmp_path: Path) -> None:
    archive = packed(checkout, tmp_path / "base.tar")
    base = BaseImage(reference="b:1", path=archive, image_id=f"sha256:{'c' * 64}")
    with pytest.raises(ArtifactError, match=r"base image b:1 is sha256:b+ instead of sha256:c+; remove"):
        buildah.build(checkout, base)


def test_certificates_and_index_are_secrets(
    checkout: Path, buildah: Buildah, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    monkeypatch.setenv("PIP_CERT", str(bundle))
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror/simple")
    buildah.build(checkout)
    given = buildah.arguments("build")
    secrets = [value for option, value in pairwise(given) if option == "--secret"]
    assert secrets[0] == f"id=ca,src={bundle}"
    assert secrets[1].startswith("id=pip,src=")
    assert not Path(secrets[1].partition("src=")[2]).exists()


def test_old_images_are_forgotten(
    checkout: Path, buildah: Buildah, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)

    def build(text: str) -> Path:
        (checkout / "data_miner/__init__.py").write_text(text)
        return buildah.build(checkout).path

    built = [build(f"x = {number}\n") for number in range(4)]
    assert [path for path in built if path.exists()] == built[-2:]
    assert not list((tmp_path / "cache/artifacts/worker-image").glob("*.partial"))


def test_packages_at_hand_are_used_instead_of_the_index(
    checkout: Path, buildah: Buildah, tmp_path: Path
) -> None:
    base = BaseImage(reference="docker.io/library/python:3.12-slim")
    recipe = replace(wheelhouse(checkout, base, "workers"), build=lambda shop: put_wheel(shop.output))
    packages = Store(progress=Progress(write=None)).ensure(recipe)
    buildah.build(checkout)
    given = buildah.arguments("build")
    assert f"{packages.path}:/wheels:ro" in [
        value for option, value in pairwise(given) if option == "--volume"
    ]
    assert "--secret" in given


def put_wheel(output: Path) -> dict[str, str]:
    (output / "a-1-py3-none-any.whl").touch()
    return {}
