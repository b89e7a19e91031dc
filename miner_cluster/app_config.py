"""The application's configuration for one cluster: the three layers merged, and fit for the cluster."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from data_miner.config import AppConfig, Layer, Merged, Stage, dotted, load_app_config, load_yaml, validate
from data_miner.errors import ConfigError, Problem
from miner_cluster.cluster import Cluster

OVERRIDES = "k3s_app_overrides"


@dataclass(frozen=True, kw_only=True)
class MinerConfig:
    """What the workers of a cluster are configured with."""

    merged: Merged
    typed: AppConfig
    #: text of each yt-dlp plugin by its file name
    plugins: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The YAML that is mounted into the workers; the same for the same values."""
        return yaml.safe_dump(self.merged.data, sort_keys=True, allow_unicode=True, width=110)

    @property
    def digest(self) -> str:
        """Changes when the text or a plugin does."""
        return hashlib.sha256(json.dumps([self.text, self.plugins]).encode()).hexdigest()[:16]


def load_miner_config(cluster: Cluster) -> MinerConfig:
    """Merge defaults, run config and the cluster's overrides.

    Raises:
        ConfigError: with the file and line of every value that the application or the cluster cannot use.
    """
    merged = load_app_config(_shown(cluster.run_config), _overrides(cluster))
    typed = validate(merged)
    if problems := _misfits(cluster, merged, typed):
        raise ConfigError(problems)
    return MinerConfig(merged=merged, typed=typed, plugins=_plugins(cluster))


def _plugins(cluster: Cluster) -> dict[str, str]:
    """Read the yt-dlp plugins that the cluster names.

    Raises:
        ConfigError: the directory holds none.
    """
    if cluster.yt_dlp_plugins is None:
        return {}
    files = sorted((Path(cluster.yt_dlp_plugins) / "extractor").glob("*.py"))
    if not files:
        problem = Problem(
            file=cluster.config_file,
            key="yt_dlp_plugins",
            message=f"there is no plugin in {cluster.yt_dlp_plugins}/extractor",
            hint="put *.py files there, or remove the key",
        )
        raise ConfigError([problem])
    return {file.name: file.read_text("utf-8") for file in files}


def _overrides(cluster: Cluster) -> Layer:
    """Return the overrides as a layer; their places are read from the file again."""
    marks = load_yaml(_shown(cluster.config_file)).marks
    below = {path[1:]: mark for path, mark in marks.items() if path[0] == OVERRIDES and len(path) > 1}
    return Layer(name=OVERRIDES, data=cluster.k3s_app_overrides, marks=below)


def _misfits(cluster: Cluster, merged: Merged, typed: AppConfig) -> list[Problem]:
    """Return what the application accepts and this cluster can't do."""
    problems = []
    mount = PurePosixPath(cluster.storage.seaweedfs_mount)
    if not typed.output_dir.is_relative_to(mount):
        problems.append(
            _problem(
                merged,
                "output_dir",
                message=f"{typed.output_dir} does not lie on the storage that the nodes share",
                hint="write ${storage.seaweedfs_mount}/… in " + OVERRIDES,
            )
        )
    if typed.worker.port < 1024:  # noqa: PLR2004 - ports that need privileges, and 0 for any
        problems.append(
            _problem(
                merged,
                "worker.port",
                message=f"{typed.worker.port} can't be probed",
                hint="use 1024 to 65535",
            )
        )
    return problems


def _problem(merged: Merged, key: str, *, message: str, hint: str) -> Problem:
    origin = merged.provenance.get(tuple(key.split(".")))
    mark = origin.mark if origin else None
    return Problem(
        file=mark.file if mark else "configuration",
        line=mark.line if mark else None,
        column=mark.column if mark else None,
        key=dotted(tuple(key.split("."))),
        message=message,
        hint=hint,
    )


def _shown(path: str) -> Path:
    """Return a path as messages should show it: from the working directory where it lies below it."""
    absolute, here = Path(path), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute


def token_needed_for(cluster: Cluster, typed: AppConfig) -> dict[str, str]:
    """Return the models that workers with ``hf_token`` fetch from a hub, by stage; none needs no token."""
    selected = {name for name, worker in cluster.workers.items() if worker.hf_token}
    return {
        stage.value: model
        for stage, model in typed.models().items()
        if stage.value in selected and not model.startswith(("/", "./"))
    }


def as_variables(cluster: Cluster, config: MinerConfig) -> dict[str, Any]:
    """Return what playbooks need to know of the application's configuration."""
    typed = config.typed
    asks = [*typed.search.queries, *typed.urls, *typed.url_files, *typed.playlists]
    return {
        "project": typed.project,
        "gives_frames": bool(asks) and Stage.EXTRACT in typed.stages,
        "output_dir": str(typed.output_dir),
        "stages": [stage.value for stage in typed.stages],
        "hf_token_for": token_needed_for(cluster, typed),
        "digest": config.digest,
    }
