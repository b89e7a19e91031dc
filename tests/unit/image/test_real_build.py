"""With the real buildah: the same image wherever it is built, also after a build that was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from miner_cluster.artifacts import lab_images
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.store import Store, cache_root
from miner_cluster.cluster import CHECKOUT
from miner_cluster.images import cache
from miner_cluster.images.buildah import BaseImage
from miner_cluster.images.layout import read_image
from miner_cluster.images.wheelhouse import wheelhouse
from tests.unit.artifacts.making import quiet_store

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("buildah"), reason="needs root and buildah"),
]
PATIENCE_S = 120.0
BASE = "lab.local/python:3.13-debian"
PROGRAM = """
import sys
from pathlib import Path
from miner_cluster.images import cache
from miner_cluster.images.buildah import BaseImage
checkout, path, image_id, log = sys.argv[1:]
base = BaseImage(reference="base", path=Path(path), image_id=image_id)
cache.build(Path(checkout), base, Path(log), target="workers", tell=print)
"""


@pytest.fixture(scope="module")
def base() -> BaseImage:
    recipe = lab_images.recipes(LAB)[BASE]
    found = Store(root=cache_root()).find(recipe)
    if found is None:
        pytest.skip(f"{BASE} is not built; `make lab` builds it")
    return BaseImage(
        reference="base", path=found.path / recipe.file, image_id=found.manifest.facts["image_id"]
    )


def checkout(root: Path, umask: int) -> Path:
    """Return a clone of what enters the image, as another user would have it."""
    names = ["Dockerfile", ".dockerignore", "image", "data_miner"]
    files = subprocess.run(
        ["git", "ls-files", "-z", *names], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.rstrip("\0").split("\0"):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, target)
        target.chmod((CHECKOUT / name).stat().st_mode & ~umask)
        os.utime(target, (umask, umask))
    return root


def with_packages(root: Path, base: BaseImage) -> Path:
    """Return a cache of its own, with the packages that this user's has."""
    quiet_store(root).take_over(wheelhouse(CHECKOUT, base, "workers"), Store(root=cache_root()))
    return root


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes_of(root: Path) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(root) in line]


def test_two_builds_in_two_places_are_one_image_and_a_killed_one_is_in_nobodys_way(
    base: BaseImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    for name, umask in (("one", 0o022), ("two", 0o077)):
        root, log = with_packages(tmp_path / name / "cache", base), tmp_path / name / "log"
        sources = checkout(tmp_path / name / "elsewhere" / "checkout", umask)
        monkeypatch.setenv("DATA_MINER_CACHE", str(root))
        if name == "two":
            arguments = [str(sources), str(base.path), str(base.image_id), str(log)]
            with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments]) as first:
                wait_until(lambda log=log: log.exists() and "pip --python" in log.read_text())  # type: ignore[misc]
                first.send_signal(signal.SIGKILL)
            wait_until(lambda root=root: processes_of(root) == [])  # type: ignore[misc]
        built.append(cache.build(sources, base, log, target="workers", tell=print))
    assert built[0].image_id == built[1].image_id
    assert read_image(built[0].path).blobs == read_image(built[1].path).blobs
