"""Models of one process share a GPU's memory, and a process that dies now and then is started again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_miner.config import Layer, load_app_config, validate
from data_miner.errors import MinerError
from data_miner.local.children import Child, Children
from data_miner.models.provider import GpuFullError, LoadedModels


@pytest.fixture
def models() -> LoadedModels:
    layer = Layer(name="test", data={"project": "p"})
    return LoadedModels(validate(load_app_config(None, layer)), lambda: None)


def test_a_model_that_finds_no_place_is_loaded_instead_of_the_other(models: LoadedModels) -> None:
    other: Any = object()
    models._matcher = ("other", other)

    def load(name: str, *_: object) -> str:
        if models._matcher is not None:
            raise GpuFullError("full")
        return name

    assert models._loaded(load, "new") == "new"
    assert models._matcher is None


def test_a_model_that_finds_no_place_alone_is_not_tried_again(models: LoadedModels) -> None:
    tries = []

    def load(name: str, *_: object) -> str:
        tries.append(name)
        raise GpuFullError("full")

    with pytest.raises(GpuFullError):
        models._loaded(load, "new")
    assert tries == ["new"]


@pytest.fixture
def dead(tmp_path: Path) -> Callable[[float], Children]:
    """A child that was started five times and has ended, so many seconds after its last start."""

    def make(lived_s: float) -> Children:
        child = Child(name="w", command=["true"], environment={}, log=tmp_path / "log")
        child.start()
        assert child.process is not None
        child.process.communicate()
        child.starts, child.started = 5, time.monotonic() - lived_s
        return Children([child], grace_s=0)

    return make


def test_a_child_that_always_dies_soon_ends_the_run(dead: Callable[[float], Children]) -> None:
    with pytest.raises(MinerError, match="worker w ended with code 0 again"):
        dead(3).check()


def test_a_child_that_lived_for_a_while_starts_again(dead: Callable[[float], Children]) -> None:
    children = dead(90)
    children.check()
    (child,) = children.children
    assert child.starts == 1
    assert child.process is not None
    child.process.communicate()
