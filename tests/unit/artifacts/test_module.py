"""The Ansible module, and the command."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from miner_cluster.artifacts import k3s
from miner_cluster.artifacts.__main__ import main
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT, resolve_cluster
from miner_cluster.config_file import load_cluster_file

LAB_FILE = CHECKOUT / "inventory/lab/cluster_config.yaml"


@pytest.fixture
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("artifacts_module", CHECKOUT / "library/artifacts.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_check_mode_makes_nothing_and_says_what_it_would_make(
    store: Store, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(k3s.RELEASES_VARIABLE, "http://127.0.0.1:1")
    cluster = resolve_cluster(load_cluster_file(LAB_FILE).file, config_file=LAB_FILE).plain()
    values = module.make(cluster, store, check_mode=True)
    assert values["changed"] is True
    assert "node-image" in values["made"]
    assert "node-image: Debian bookworm" in values["diff"]["after"]
    assert values["artifacts"]["k3s"]["version"] == "v1.31.0+k3s1"
    assert not store.root.exists()


def test_the_command_names_the_file_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_MINER_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "cluster_config.yaml"
    file.write_text("cluster: {}\n")
    assert main(["ensure", "--config", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(file) in captured.err


def test_an_empty_cache_is_listed_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_MINER_CACHE", str(tmp_path / "cache"))
    assert main(["list"]) == 0
    assert capsys.readouterr().out == ""
