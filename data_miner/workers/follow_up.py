"""Queuing the stages with models again for what is there, when their parameters changed."""

from __future__ import annotations

from data_miner.config import AppConfig, Stage
from data_miner.dataset.scope import scope_of
from data_miner.db.connect import Connection
from data_miner.db.findings import undetected, videos_passed, videos_with_frames
from data_miner.queue.items import NewItem
from data_miner.workers import dedup, detect
from data_miner.workers import filter as filtering


def items_for(connection: Connection, config: AppConfig) -> list[NewItem]:
    """Return an item for each result of a stage that the next stage should work on.

    Only results with today's parameters count, so that work begins at the first stage that changed.
    """
    scope = scope_of(config)
    project, frames_hash, items = config.project, scope.frames_hash, list[NewItem]()
    if Stage.FILTER in config.stages:
        for video in videos_with_frames(connection, project=project, frames_hash=frames_hash):
            items.append(filtering.item_for(config, video, frames_hash))
    if Stage.DEDUP in config.stages:
        for video in videos_passed(connection, project=project, filter_hash=scope.filter_hash):
            items.append(dedup.item_for(config, video, frames_hash, scope.filter_hash))
    if Stage.DETECT in config.stages:
        params = detect.params_for(config, frames_hash)
        for video, times_ms in undetected(
            connection, project=project, dedup_hash=scope.dedup_hash, params=params
        ):
            items.append(detect.item_for(config, video, frames_hash, times_ms))
    return items
