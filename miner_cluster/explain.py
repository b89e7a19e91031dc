"""Which file and line set a value, of the application's configuration or of the cluster's."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from data_miner.config import dotted
from data_miner.config.history import explanations, is_below, leaves, look_up
from data_miner.errors import ConfigError, Problem
from miner_cluster.app_config import MinerConfig, shown_path
from miner_cluster.cluster import Cluster
from miner_cluster.config_file import Loaded, load_cluster_file


def explain(cluster: Cluster, config: MinerConfig, key: str) -> list[str]:
    """Return a line for the key and for each one below it.

    Raises:
        ConfigError: neither the application nor cluster_config.yaml has such a key.
    """
    loaded = load_cluster_file(shown_path(cluster.config_file))
    lines = explanations(config.merged, key) or [
        line for name, line in _cluster_lines(loaded) if is_below(name, key)
    ]
    if not lines:
        names = [dotted(path) for path in (*config.merged.provenance, *loaded.source.marks)]
        close = get_close_matches(key, names, n=1)
        known = sorted({*config.merged.data, *type(loaded.file).model_fields})
        hint = f"did you mean {close[0]}?" if close else f"known at the top: {', '.join(known)}"
        raise ConfigError([Problem(file=cluster.config_file, key=key, message="nothing sets it", hint=hint)])
    return lines


def _cluster_lines(loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Yield name and line of each value of cluster_config.yaml, and then of those that it leaves out."""
    for path, mark in loaded.source.marks.items():
        value, written = look_up(loaded.data, path), look_up(loaded.source.data, path)
        if value != written and isinstance(written, str):
            yield dotted(path), f"{dotted(path)} = {value!r}  from {mark}, written {written}"
        elif not (isinstance(value, (dict, list)) and value):
            yield dotted(path), f"{dotted(path)} = {value!r}  from {mark}"
    written_out = leaves(loaded.data)
    for path, value in leaves(loaded.file.model_dump()).items():
        if path not in written_out:
            yield dotted(path), f"{dotted(path)} = {value!r}  by default"
