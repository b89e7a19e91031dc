"""What a project alone has in the database, and removing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data_miner.db.connect import Connection
from data_miner.db.queries import queries

_SQL = queries("retention")


@dataclass(frozen=True, kw_only=True)
class Frameset:
    """A directory of frames."""

    video: str
    params_hash: str
    #: relative to the output directory
    path: str


def item_counts(connection: Connection, project: str) -> tuple[int, int]:
    """Return how many items a project has, and how many of them are being worked on."""
    row = connection.execute(_SQL["project_counts"], {"project": project}).fetchone()
    return (row["items"], row["leased"]) if row else (0, 0)


def unfinished_items(connection: Connection, project: str) -> int:
    """Return how many items are still to be done."""
    row = connection.execute(_SQL["project_counts"], {"project": project}).fetchone()
    return int(row["unfinished"]) if row else 0


def own_videos(connection: Connection, project: str) -> dict[str, str]:
    """Return the path of each video that no other project found, by sha256."""
    rows = connection.execute(_SQL["own_videos"], {"project": project}).fetchall()
    return {row["sha256"]: row["path"] for row in rows}


def own_framesets(connection: Connection, project: str) -> list[Frameset]:
    """Return the directories of frames that no other project shares."""
    rows = connection.execute(_SQL["own_framesets"], {"project": project}).fetchall()
    return [Frameset(**row) for row in rows]


def old_framesets(connection: Connection, project: str, *, days: float) -> list[Frameset]:
    """Return those of them that were cut more than ``days`` ago and that nobody works on or pruned."""
    rows = connection.execute(_SQL["old_framesets"], {"project": project, "days": days}).fetchall()
    return [Frameset(**row) for row in rows]


def note_pruned(connection: Connection, project: str, frameset: Frameset) -> None:
    """Note that frames were removed, so that no stage asks for them."""
    values = {"project": project, "video": frameset.video, "params_hash": frameset.params_hash}
    connection.execute(_SQL["note_pruned"], values)


def note_unpruned(connection: Connection, project: str, frameset: Frameset) -> None:
    """Note that they are there after all."""
    values = {"project": project, "video": frameset.video, "params_hash": frameset.params_hash}
    connection.execute(_SQL["note_unpruned"], values)


def delete_project(connection: Connection, project: str, videos: Sequence[str]) -> None:
    """Remove a project with all its results, and those of ``videos`` that nobody else has meanwhile."""
    with connection.transaction():
        for query in ("hold_claims", "hold_leases", "delete_project"):
            connection.execute(_SQL[query], {"project": project})
        connection.execute(_SQL["delete_videos"], {"videos": list(videos)})
