"""Which file and line set a value, of the application's configuration or of the cluster's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_miner.cli.config import explanations
from data_miner.config import KeyPath, dotted, load_yaml
from data_miner.errors import ConfigError, Problem
from miner_cluster.app_config import MinerConfig
from miner_cluster.cluster import Cluster


def explain(cluster: Cluster, config: MinerConfig, key: str) -> list[str]:
    """Return a line for the key and for each one below it.

    Raises:
        ConfigError: no layer of the application and no line of cluster_config.yaml sets such a key.
    """
    lines = explanations(config.merged, key) or _in_cluster_file(Path(cluster.config_file), key)
    if not lines:
        known = sorted({*config.merged.data, *load_yaml(cluster.config_file).data})
        hint = f"known at the top: {', '.join(known)}"
        raise ConfigError([Problem(file=cluster.config_file, key=key, message="nothing sets it", hint=hint)])
    return lines


def _in_cluster_file(file: Path, key: str) -> list[str]:
    source = load_yaml(file)
    lines = []
    for path, mark in source.marks.items():
        name, value = dotted(path), _value(source.data, path)
        if (name == key or name.startswith((f"{key}.", f"{key}["))) and not isinstance(value, (dict, list)):
            lines.append(f"{name} = {value!r}  from {mark}")
    return lines


def _value(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data
