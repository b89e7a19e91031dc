"""Looking for what stands in the way: a finding for each thing that mining needs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from data_miner.config import AppConfig, load_app_config, load_resolved, validate
from data_miner.db.connect import connect, database_url, first_line
from data_miner.db.migrate import check_schema, schema_version
from data_miner.errors import MinerError
from data_miner.models.source import find_local
from data_miner.store import Store

#: with less free space than this, a handful of videos fills the disk
_LITTLE = 5 << 30


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found at one check; a message of a problem says what to do."""

    check: str
    ok: bool
    message: str


def examine(run_config: Path | None) -> list[Finding]:
    """Make all checks that can be made, and return what they found."""
    findings = [_database()]
    config, finding = _configuration(run_config)
    findings.insert(0, finding)
    if config is not None:
        findings += [_storage(config), *_models(config)]
    return findings


def _configuration(run_config: Path | None) -> tuple[AppConfig | None, Finding]:
    name = "configuration"
    mounted = os.environ.get("DATA_MINER_CONFIG")
    try:
        if run_config is not None:
            config = validate(load_app_config(run_config))
        elif mounted:
            config = load_resolved(Path(mounted))
        else:
            message = "none given, so storage and models are not checked; pass --config run_configs/demo.yaml"
            return None, Finding(check=name, ok=True, message=message)
    except MinerError as error:
        return None, Finding(check=name, ok=False, message=str(error))
    source = run_config or mounted
    return config, Finding(check=name, ok=True, message=f"{source}: project {config.project}")


def _database() -> Finding:
    try:
        with connect(database_url(), name="doctor") as connection:
            check_schema(connection)
            server = connection.info.server_version // 10_000
            message = f"Postgres {server}, schema {schema_version(connection)}"
            return Finding(check="database", ok=True, message=message)
    except psycopg.Error as error:
        return Finding(check="database", ok=False, message=first_line(error))
    except MinerError as error:
        return Finding(check="database", ok=False, message=str(error))


def _storage(config: AppConfig) -> Finding:
    mount = os.environ.get("DATA_MINER_SHARED_MOUNT")
    store = Store(config.output_dir, mount=Path(mount) if mount else None)
    try:
        store.check()
        store.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=store.root):
            free = shutil.disk_usage(store.root).free
    except MinerError as error:
        return Finding(check="storage", ok=False, message=str(error))
    except OSError as error:
        message = (
            f"{store.root}: {error.strerror}; choose another output_dir, or give this user the right to write"
        )
        return Finding(check="storage", ok=False, message=message)
    if free < _LITTLE:
        message = (
            f"{store.root}: only {free / (1 << 30):.1f} GiB are free; make room or choose another output_dir"
        )
        return Finding(check="storage", ok=False, message=message)
    return Finding(check="storage", ok=True, message=f"{store.root}: {free / (1 << 30):.0f} GiB free")


def _models(config: AppConfig) -> Iterator[Finding]:
    wanted = config.models()
    if not wanted:
        return
    lacking = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    message = "PyTorch and transformers are here"
    if lacking:
        message = f"no {' and '.join(lacking)} in this Python, so {', '.join(wanted)} run elsewhere"
    yield Finding(check="model stages", ok=True, message=message)
    directory = config.models_dir or config.output_dir / "models"
    elsewhere = (
        "its workers look in their image and at the hub" if lacking else "it comes from the hub when needed"
    )
    for stage, name in wanted.items():
        local = find_local(name, directory)
        text = f"{name} in {local}" if local else f"{name}: not in {directory}; {elsewhere}"
        yield Finding(check=f"model of {stage}", ok=True, message=text)
