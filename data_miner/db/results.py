"""Storing what stages found. Called inside the transaction that acknowledges the item."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.types.json import Jsonb

from data_miner.db.connect import Connection
from data_miner.db.findings import store_compared, store_filtered, store_objects
from data_miner.db.queries import queries
from data_miner.queue.items import Item, NewItem
from data_miner.queue.records import (
    FramesCompared,
    FramesCut,
    FramesFiltered,
    ObjectsFound,
    Record,
    VideoFound,
)

_SQL = queries("results")


def store_records(connection: Connection, item: Item, records: Iterable[Record]) -> list[NewItem]:
    """Write the records of one item; writing them again changes nothing.

    Returns:
        Items that follow from what is in the database only now.

    Raises:
        StaleError: a record was made from what has changed meanwhile.
    """
    following: list[NewItem] = []
    for record in records:
        match record:
            case VideoFound():
                _store_video(connection, item, record)
            case FramesCut():
                _store_frames(connection, item, record)
            case FramesFiltered():
                store_filtered(connection, item, record)
            case FramesCompared():
                following += store_compared(connection, item, record)
            case ObjectsFound():
                store_objects(connection, item, record)
    return following


def _store_video(connection: Connection, item: Item, video: VideoFound) -> None:
    values = {
        "sha256": video.sha256,
        "path": video.path,
        "size_bytes": video.size_bytes,
        "project": item.project,
        "key": item.key,
        "url": video.url,
        "metadata": Jsonb(video.metadata),
    }
    connection.execute(_SQL["add_video"], values)
    connection.execute(_SQL["add_origin"], values)


def _store_frames(connection: Connection, item: Item, cut: FramesCut) -> None:
    values = {
        "project": item.project,
        "video": cut.sha256,
        "params_hash": item.params_hash,
        "path": cut.path,
        "frames": cut.frames,
        "width": cut.width,
        "height": cut.height,
    }
    connection.execute(_SQL["add_frameset"], values)
