"""Runs tests/models in the image with models where this Python has no PyTorch."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from miner_cluster.artifacts import clips
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.progress import Progress
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT
from miner_cluster.images import inside

#: of pytest and what it needs: pure Python, so that another Python can use it too
PACKAGES = ("_pytest", "pytest", "pluggy", "iniconfig", "packaging", "py.py", "pygments")


def test_those_of_the_models_pass_in_their_image(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("this Python has PyTorch: tests/models runs by itself")
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        pytest.skip("running the image with models needs root and buildah")
    videos = Store(progress=Progress(write=None)).find(clips.recipe(LAB))
    built = inside.image(build=False)
    if built is None or videos is None:
        pytest.skip("the image with models is not built; `make site` and lab/training/make.py build it")
    site = Path(pytest.__file__).parents[1]
    for name in PACKAGES:
        (tmp_path / name).symlink_to(site / name)
    settings = [f"PYTHONPATH={CHECKOUT}:{tmp_path}", f"DATA_MINER_CLIPS={videos.path}"]
    tests = ["python", "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "tests/models"]
    code = inside.run(built, ["env", *settings, *tests], volumes=[tmp_path, site])
    said = capfd.readouterr().out
    print(
        *(line for line in said.splitlines() if line.startswith(("filter:", "dedup:", "detect:"))), sep="\n"
    )
    assert code == 0, said
