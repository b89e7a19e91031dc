"""The application's configuration for one cluster: the three layers merged, and fit for the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from data_miner.config import (
    NO_FILE,
    OVERRIDES,
    AppConfig,
    Layer,
    Mark,
    Merged,
    Stage,
    dump,
    load_app_config,
    load_yaml,
    validate,
)
from data_miner.errors import ConfigError, Problem
from data_miner.models.source import CONFIG
from miner_cluster.cluster import Cluster
from miner_cluster.config_file import overrides_layer


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
        return dump(self.merged.data, sort_keys=True)


def load_miner_config(cluster: Cluster) -> MinerConfig:
    """Merge defaults, run config and the cluster's overrides.

    Raises:
        ConfigError: with the file and line of every value that the application or the cluster cannot use.
    """
    plugins, problems = _plugins(cluster)
    try:
        merged = load_app_config(_run_config(cluster), _overrides(cluster))
        typed = validate(merged)
        problems += _misfits(cluster, merged, typed)
    except ConfigError as error:
        raise ConfigError([*error.problems, *problems]) from error
    if problems:
        raise ConfigError(problems)
    return MinerConfig(merged=merged, typed=typed, plugins=plugins)


def _run_config(cluster: Cluster) -> Path:
    """Return the run config's path.

    Raises:
        ConfigError: cluster_config.yaml names one that is not there.
    """
    path = Path(cluster.run_config)
    if path.exists():
        return shown_path(path)
    source = load_yaml(shown_path(cluster.config_file))
    mark = source.marks.get(("run_config",))
    if mark is None or str(source.data["run_config"]) not in cluster.run_config:
        return shown_path(path)
    message = f"there is no file {shown_path(path)}"
    raise ConfigError([_at(mark, "run_config", message=message, hint="paths count from the checkout")])


def _plugins(cluster: Cluster) -> tuple[dict[str, str], list[Problem]]:
    """Read the yt-dlp plugins that the cluster names; it is a problem when there are none."""
    if cluster.yt_dlp_plugins is None:
        return {}, []
    files = sorted((Path(cluster.yt_dlp_plugins) / "extractor").glob("*.py"))
    if not files:
        mark = load_yaml(shown_path(cluster.config_file)).marks.get(("yt_dlp_plugins",))
        message = f"there is no plugin in {cluster.yt_dlp_plugins}/extractor"
        return {}, [
            _at(mark, "yt_dlp_plugins", message=message, hint="put *.py files there, or remove the key")
        ]
    return {file.name: file.read_text("utf-8") for file in files}, []


def _overrides(cluster: Cluster) -> Layer:
    return overrides_layer(load_yaml(shown_path(cluster.config_file)), cluster.k3s_app_overrides)


def _misfits(cluster: Cluster, merged: Merged, typed: AppConfig) -> list[Problem]:
    """Return what the application accepts and this cluster can't do."""
    problems = []
    mount = PurePosixPath(cluster.storage.seaweedfs_mount)
    if not typed.output_dir.is_relative_to(mount) or ".." in typed.output_dir.parts:
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
    return _at(origin.mark if origin else None, key, message=message, hint=hint)


def _at(mark: Mark | None, key: str, *, message: str, hint: str) -> Problem:
    return Problem(
        file=mark.file if mark else NO_FILE,
        line=mark.line if mark else None,
        column=mark.column if mark else None,
        key=key,
        message=message,
        hint=hint,
    )


def shown_path(path: Path | str) -> Path:
    """Return a path as messages should show it: from the working directory where it lies below it."""
    absolute, here = Path(path), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute


def token_needed_for(cluster: Cluster, typed: AppConfig) -> dict[str, str]:
    """Return the models that workers with ``hf_token`` fetch from a hub, by stage; none needs no token."""
    selected = {name for name, worker in cluster.workers.items() if worker.hf_token}
    return {stage: model for stage, model in hub_models(cluster, typed).items() if stage in selected}


def hub_models(cluster: Cluster, typed: AppConfig) -> dict[str, str]:
    """Return the models that come from a hub, by the stage that needs them."""
    models = typed.models().items()
    return {stage.value: model for stage, model in models if not _is_local(cluster, model)}


def _is_local(cluster: Cluster, model: str) -> bool:
    own = cluster.image.models
    return model.startswith(("/", "./")) or (own is not None and (Path(own) / model / CONFIG).is_file())


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
    }
