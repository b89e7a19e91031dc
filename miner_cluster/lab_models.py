"""Models that a lab has in the place of those that a run config names: they show that all fits together."""

from __future__ import annotations

from miner_cluster.app_config import MinerConfig
from miner_cluster.cluster import Cluster


def stand_ins(cluster: Cluster, config: MinerConfig) -> list[str]:
    """Return a sentence about each model that the cluster's own overrides put in another's place.

    Args:
        cluster: the configuration.
        config: of the application, merged.
    """
    if cluster.lab is None:
        return []
    sentences = []
    for stage, model in config.typed.models().items():
        before = [old.value for old in config.merged.overridden.get((stage.value, "model"), [])]
        replaced = next((value for value in reversed(before) if value != model), None)
        if replaced is not None:
            sentences.append(
                f"{stage.value} runs {model}, which was trained for the lab, in the place of {replaced}"
            )
    return sentences
