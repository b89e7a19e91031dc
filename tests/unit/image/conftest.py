"""A checkout of the tests' own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What enters an image, small."""
    root = tmp_path / "checkout"
    (root / "image").mkdir(parents=True)
    (root / "data_miner/workers").mkdir(parents=True)
    (root / "Dockerfile").write_text(
        "ARG BASE_IMAGE=docker.io/library/python:3.12-slim\nFROM ${BASE_IMAGE}\n"
    )
    (root / ".dockerignore").write_text("*\n!data_miner\n")
    for name in ("requirements", "models", "torch"):
        (root / f"image/{name}.lock").write_text("a==1\n")
    (root / "data_miner/__init__.py").write_text("")
    (root / "data_miner/workers/base.py").write_text("x = 1\n")
    return root
