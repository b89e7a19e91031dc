"""Tests that run the lab's models. They need PyTorch and transformers, and the lab's clips in the cache."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LACKING = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a reason, what can't run here."""
    if LACKING:
        reason = (
            f"no {' and '.join(LACKING)} here; "
            "tests/e2e/test_6_models_image.py runs them in the image with models"
        )
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def clips() -> Path:
    """The directory of the lab's clips."""
    cache = os.environ.get("DATA_MINER_CLIPS")
    if cache is None:
        pytest.skip("set DATA_MINER_CLIPS to the directory of the lab's clips")
    return Path(cache)


@pytest.fixture(scope="session", params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Where models run: on the processor, and on a GPU where there is one."""
    import torch  # noqa: PLC0415 - not everywhere

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")
    return str(request.param)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
