"""What processes log about disks and the certificate."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data_miner.store import Store
from data_miner.workers import surroundings
from data_miner.workers.process import Process
from data_miner.workers.surroundings import Surroundings
from tests.integration.data_miner.factories import make_config
from tests.unit.data_miner.test_certificate import pem

Make = Callable[..., Process]


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes a process, on a shared mount where one is given."""

    def function(mount: Path | None = None) -> Process:
        store = Store(tmp_path / "out", mount=mount)
        return Process(config=make_config(), database_url="", store=store, name="w", node="n")

    (tmp_path / "out").mkdir()
    return function


def measured(caplog: pytest.LogCaptureFixture, action: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if vars(record).get("action") == action]


def once(process: Process, *, whole_cluster: bool = False) -> None:
    """Measure once, in the thread that does it."""
    measuring = Surroundings(process, whole_cluster=whole_cluster, interval_s=0)
    measuring.__exit__()
    with measuring:
        measuring._thread.join(10)


def test_every_process_tells_its_own_machines_disk(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    once(make())
    (record,) = measured(caplog, "disk_measured")
    found = vars(record)
    assert (found["disk"], found["node"]) == ("node", "n")
    assert 0 < found["free_bytes"] <= found["size_bytes"]
    assert 0 < found["free_percent"] <= 100


def test_one_process_tells_the_shared_storage_too(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    once(make(), whole_cluster=True)
    assert [vars(record)["disk"] for record in measured(caplog, "disk_measured")] == ["node", "shared"]


def test_storage_that_is_away_is_told_and_not_measured(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    once(make(tmp_path), whole_cluster=True)
    assert [vars(record)["disk"] for record in measured(caplog, "disk_measured")] == ["node"]
    (record,) = measured(caplog, "storage_not_measured")
    assert "is not mounted" in vars(record)["reason"]


def test_an_api_that_does_not_answer_is_told(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    once(make(), whole_cluster=True)
    assert len(measured(caplog, "certificate_not_measured")) == 1


def test_a_disk_that_can_not_be_looked_at_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    surroundings.log_disk("shared", tmp_path / "gone", node="")
    assert len(measured(caplog, "storage_not_measured")) == 1


def test_certificates_of_the_storage_that_are_not_there_yet_are_told(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_MINER_STORAGE_CERTIFICATES", str(tmp_path / "none"))
    once(make(), whole_cluster=True)
    (record,) = measured(caplog, "certificate_not_measured")
    assert vars(record)["certificate"] == "storage"


def test_the_storage_s_certificate_that_ends_first_is_told(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, days in (("filer", 9.5), ("master", 99.5)):
        (tmp_path / f"{name}.crt").write_text(pem(datetime.now(UTC) + timedelta(days=days)))
    monkeypatch.setenv("DATA_MINER_STORAGE_CERTIFICATES", str(tmp_path))
    once(make(), whole_cluster=True)
    (record,) = measured(caplog, "certificate_measured")
    assert (vars(record)["certificate"], vars(record)["days_left"]) == ("storage", 9.5)
