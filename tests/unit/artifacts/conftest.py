"""A store in a directory of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.artifacts.store import Store
from tests.unit.artifacts.making import quiet_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return quiet_store(tmp_path / "cache")
