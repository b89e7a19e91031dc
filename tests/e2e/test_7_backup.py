"""What a lost server takes with it comes back: rows, names, and files where their volumes were kept."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, Run, wait_for

OUTPUT = "/swdfs_mnt/swshared/data_miner_output"


def checksums(lab: Lab) -> dict[str, str]:
    """SHA-256 of every file of the application, read through the last node's mount."""
    listed = lab.ssh(list(lab.nodes())[-1], f"cd {OUTPUT} && find . -type f -exec sha256sum {{}} +").stdout
    return {name: digest for digest, _, name in (line.partition("  ") for line in listed.splitlines())}


def rows(lab: Lab) -> str:
    """How many items, videos, frames and boxes the database has, and a checksum of the videos."""
    return lab.kubectl(
        *("exec", "-n", "data-miner", "postgres-0", "-c", "postgres", "--"),
        *("psql", "-U", "postgres", "-d", "data_miner", "-At", "-c"),
        "SELECT count(*), (SELECT count(*) FROM video), (SELECT count(*) FROM frameset),"
        " (SELECT count(*) FROM object_box),"
        " (SELECT md5(string_agg(sha256, ',' ORDER BY sha256)) FROM video) FROM item",
    )


def idle(lab: Lab) -> bool:
    stages = lab.status()["projects"]["demo"]["stages"].values()
    return all(stage["ready"] + stage["leased"] == 0 for stage in stages)


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the backups of these tests go."""
    return tmp_path_factory.mktemp("backups")


def place(directory: Path) -> tuple[str, ...]:
    """The arguments that name where backups go."""
    return ("-e", json.dumps({"backup_dir": str(directory)}))


@pytest.fixture
def kept(backups: Path) -> tuple[str, ...]:
    """The arguments that name this place."""
    return place(backups)


def backup(lab: Lab, kept: tuple[str, ...]) -> Run:
    return lab.play("playbooks/backup.yml", *kept).ok()


def restore(lab: Lab, kept: tuple[str, ...], *arguments: str) -> Run:
    return lab.play("playbooks/restore.yml", *kept, *arguments)


def test_a_backup_is_whole_and_holds_every_part(lab: Lab, backups: Path, kept: tuple[str, ...]) -> None:
    wait_for("nothing is left to do", lambda: idle(lab), timeout_s=600)
    backup(lab, kept)
    (path,) = backups.iterdir()
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["parts"]["postgres"]["rows"]["video"] > 0
    assert manifest["parts"]["filer"]["files"] >= len(checksums(lab)) > 0
    assert manifest["parts"]["k3s"]["datastore"] in {"etcd", "sqlite"}
    with tarfile.open(path / "k3s/server.tar.gz") as archive:
        names = archive.getnames()
    assert {"var/lib/rancher/k3s/server/token"} < set(names)
    assert [name for name in names if name.startswith("datastore/")]
    with tarfile.open(path / "secrets/server.tar.gz") as archive:
        assert [name for name in archive.getnames() if name.endswith("/postgres-password")]
    assert {p.stat().st_mode & 0o077 for p in (path, *path.rglob("*"))} == {0}


def test_a_database_in_use_is_not_replaced_unless_told(lab: Lab, kept: tuple[str, ...]) -> None:
    before = rows(lab)
    refused = restore(lab, kept)
    assert refused.code != 0
    assert "The database is not empty" in refused.output
    assert "TASK [backup : Let the workers end]" not in refused.output
    assert rows(lab) == before


def test_the_database_alone_comes_back_and_workers_go_on(lab: Lab, kept: tuple[str, ...]) -> None:
    before = rows(lab)
    workers = lab.kubectl("get", "deploy,sts", "-n", "data-miner", "-o", "jsonpath={..spec.replicas}")
    # Not items: those that are missing the monitor adds again.
    sql = ("psql", "-U", "postgres", "-d", "data_miner", "-c", "DELETE FROM object_box")
    lab.kubectl("exec", "-n", "data-miner", "postgres-0", "-c", "postgres", "--", *sql)
    assert rows(lab) != before
    run = restore(lab, kept, "--tags", "postgres", "-e", "overwrite=true").ok()
    assert "shared storage: left as it is" in run.output
    assert rows(lab) == before
    assert lab.kubectl("get", "deploy,sts", "-n", "data-miner", "-o", "jsonpath={..spec.replicas}") == workers


@pytest.mark.soak
def test_a_lost_server_comes_back_with_rows_names_and_files(lab: Lab, kept: tuple[str, ...]) -> None:
    sums, before = checksums(lab), rows(lab)
    server = next(iter(lab.nodes()))
    lab.play("teardown.yml").ok()
    # What only the server's disk had. The files' pieces stay where they are, on every machine's disk.
    gone = "/data/data_miner_db/postgres /data/data_miner_db/secrets/postgres-password /data/seaweed/filer"
    assert lab.ssh(server, f"rm -rf {gone} && rm -rf /data/seaweed/master/*").returncode == 0
    lab.play("site.yml", "--skip-tags", "workers,verify").ok()
    restore(lab, kept).ok()
    assert rows(lab) == before
    lab.play("site.yml").ok()
    assert checksums(lab) == sums


def test_the_archive_for_support_has_no_secret_in_it(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "support.tar.gz"
    lab.play("playbooks/support.yml", "-e", f"archive={path}").ok()
    with tarfile.open(path) as archive:
        texts = {m.name: f.read().decode() for m in archive if (f := archive.extractfile(m)) is not None}
    names = {name.partition("/")[2] for name in texts}
    assert {"versions.json", "status.json", "cluster/data-miner/events.json"} <= names
    assert {f"machines/{node}/journal-k3s.log" for node in lab.nodes()} <= names
    assert [name for name in names if name.startswith("logs/data-miner/download-worker")]
    for secret in ("postgres-password", "grafana-password"):
        server = next(iter(lab.nodes()))
        value = lab.ssh(server, f"cat /data/data_miner_db/secrets/{secret}").stdout.strip()
        assert len(value) > 20
        assert not [name for name, text in texts.items() if value in text]
