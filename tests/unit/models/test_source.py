from __future__ import annotations

import threading
from pathlib import Path

import pytest

from data_miner.models.source import ModelMissingError, find_model, watched


def save(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{}")
    return directory


def test_a_directory_comes_before_models_dir_and_that_before_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_MINER_MODELS", str(tmp_path / "image"))
    in_image = save(tmp_path / "image/org/m")
    assert find_model("org/m", tmp_path / "models") == in_image
    in_models = save(tmp_path / "models/org/m")
    assert find_model("org/m", tmp_path / "models") == in_models
    here = save(tmp_path / "org/m")
    assert find_model("org/m", tmp_path / "models").resolve() == here


@pytest.mark.parametrize("name", ["/no/where", "./no/where"])
def test_a_directory_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ModelMissingError, match=rf"there is no {name}/config\.json; copy a saved model there"
    ):
        find_model(name, tmp_path)


def test_a_download_that_moves_is_noticed_and_one_that_hangs_is_not(tmp_path: Path) -> None:
    moved = threading.Event()
    with watched(tmp_path, moved.set, look_s=0.01):
        assert not moved.wait(0.1)
        (tmp_path / "part").write_bytes(b"x")
        assert moved.wait(10)
