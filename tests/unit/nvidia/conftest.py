"""The stand-in driver, compiled, with device nodes in a directory of the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT

SOURCE = CHECKOUT / "lab" / "nvidia" / "driver" / "cuda.c"
Compile = Callable[..., str]


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A directory of device nodes: a machine with one GPU."""
    made = tmp_path / "dev"
    made.mkdir()
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        (made / name).touch()
    return made


@pytest.fixture
def compile_cuda(tmp_path: Path, devices: Path) -> Compile:
    """Compile the driver's library, and return its path."""

    def make(source: Path = SOURCE) -> str:
        library = tmp_path / "libcuda.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", f'-DDEVICES="{devices}"', "-o", str(library), str(source)], check=True
        )
        return str(library)

    return make
