"""What decides whether an image is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from miner_cluster.artifacts.recipe import ArtifactError
from miner_cluster.cluster import CHECKOUT
from miner_cluster.images.buildah import BaseImage
from miner_cluster.images.sources import LOCKS, default_base, package_files, sources_digest
from miner_cluster.images.worker_image import worker_image

Change = Callable[[Path], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "data_miner/workers/base.py").write_text("x = 2\n"),
        lambda root: (root / "data_miner/workers/base.py").chmod(0o755),
        lambda root: (root / "data_miner/workers/base.py").rename(root / "data_miner/base.py"),
        lambda root: (root / "data_miner/new.sql").write_text(""),
        lambda root: (root / "image/requirements.lock").write_text("a==2\n"),
        lambda root: (root / "Dockerfile").write_text("FROM scratch\n"),
        lambda root: (root / ".dockerignore").write_text(""),
    ],
)
def test_what_enters_the_image_changes_the_digest(checkout: Path, change: Change) -> None:
    before = [sources_digest(checkout, target) for target in LOCKS]
    change(checkout)
    for target, digest in zip(LOCKS, before, strict=True):
        assert sources_digest(checkout, target) != digest


@pytest.mark.parametrize("name", ["image/models.lock", "image/torch.lock"])
def test_what_models_need_changes_their_image_only(checkout: Path, name: str) -> None:
    before = {target: sources_digest(checkout, target) for target in LOCKS}
    (checkout / name).write_text("a==2\n")
    assert {target for target in LOCKS if sources_digest(checkout, target) != before[target]} == {"models"}


@pytest.mark.parametrize("name", ["data_miner/__pycache__/x.pyc", "data_miner/.base.py.swp", "README.md"])
def test_other_files_do_not(checkout: Path, name: str) -> None:
    before = sources_digest(checkout, "models")
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("x")
    assert sources_digest(checkout, "models") == before


def test_our_own_dockerignore_leaves_out_the_same() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [line for line in lines if not line.startswith("#")]
    assert patterns == ["*", "!data_miner", "!image/*.lock", "**/__pycache__", "**/.*"]
    assert not [path for path in package_files(CHECKOUT) if "__pycache__" in path.parts]


def test_a_missing_file_is_named(checkout: Path) -> None:
    (checkout / "image/requirements.lock").unlink()
    with pytest.raises(ArtifactError, match=r"requirements\.lock: .*restore it"):
        sources_digest(checkout, "workers")


def test_the_dockerfile_names_the_usual_base() -> None:
    assert default_base(CHECKOUT) == "docker.io/library/python:3.12-slim"


def test_a_dockerfile_without_a_base_is_refused(checkout: Path) -> None:
    (checkout / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(ArtifactError, match="ARG BASE_IMAGE"):
        default_base(checkout)


def test_another_base_is_another_image(checkout: Path) -> None:
    bases = [None, *(BaseImage(reference="b:1", image_id=f"sha256:{digit * 64}") for digit in "ab")]
    assert len({worker_image(checkout, base, {}, target="workers").key for base in bases}) == len(bases)


def test_the_bases_id_counts_and_not_its_name(checkout: Path) -> None:
    one, two = (BaseImage(reference=name, image_id="sha256:" + "a" * 64) for name in ("b:1", "b:2"))
    keys = {worker_image(checkout, base, {}, target="workers").key for base in (one, two)}
    assert len(keys) == 1


def test_no_layer_has_the_modes_of_the_checkout() -> None:
    """The umask under which it was cloned would decide about the image's ID, and is in no digest."""
    text = (CHECKOUT / "Dockerfile").read_text("utf-8")
    stages = {stage.split(" AS ")[1].split()[0]: stage for stage in text.split("\nFROM ")[1:]}
    for name, stage in stages.items():
        from_checkout = [
            line for line in stage.splitlines() if line.startswith("COPY ") and "--from=" not in line
        ]
        passed_on_in_part = f"COPY --from={name} " in text and f"FROM {name} " not in text
        assert passed_on_in_part or all("--chmod=" in line for line in from_checkout), name
