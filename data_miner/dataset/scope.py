"""Which results belong to a project's configuration as it is now: the parameters hash of each stage."""

from __future__ import annotations

from dataclasses import dataclass

from data_miner.config import AppConfig, Stage, to_plain
from data_miner.queue.items import params_hash
from data_miner.workers import dedup, detect
from data_miner.workers import filter as filtering


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What results are found by."""

    project: str
    #: the last stage of the project
    last: Stage
    frames_hash: str
    scores_hash: str
    filter_hash: str
    dedup_hash: str
    detect_hash: str


def scope_of(config: AppConfig) -> Scope:
    """Return the scope of a configuration; stages that it does not select have a hash all the same."""
    frames_hash = params_hash(to_plain(config.extract))
    filter_hash = params_hash(filtering.params_for(config, frames_hash))
    return Scope(
        project=config.project,
        last=config.stages[-1],
        frames_hash=frames_hash,
        scores_hash=filtering.scores_hash(config.filter),
        filter_hash=filter_hash,
        dedup_hash=params_hash(dedup.params_for(config, frames_hash, filter_hash)),
        detect_hash=params_hash(detect.params_for(config, frames_hash)),
    )
