"""Reading what the web page shows beside the status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from data_miner.config.model import Stage
from data_miner.dataset.scope import Scope
from data_miner.db.connect import Connection
from data_miner.db.dataset import Frame
from data_miner.db.queries import queries

_SQL = queries("page")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Frames that are left out since another one shows the same."""

    by: Frame
    frames: list[Frame]


@dataclass(kw_only=True)
class Counts:
    """How many frames have which score."""

    bins: list[int]
    #: how many reach the threshold
    reached: int = 0


def causes(connection: Connection, project: str) -> list[dict[str, Any]]:
    """Return why items failed, wait or were skipped: stage, state, items, example, last, cause."""
    return connection.execute(_SQL["causes"], {"project": project}).fetchall()


def failed(
    connection: Connection, project: str, stage: Stage | None, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """Return a part of a project's dead letters, the latest first, and how many there are."""
    values = {"project": project, "stage": stage and stage.value, "limit": limit, "offset": offset}
    rows = connection.execute(_SQL["failed"], values).fetchall()
    return rows, rows[0]["total"] if rows else 0


def groups(connection: Connection, scope: Scope, *, limit: int, offset: int) -> tuple[list[Group], int]:
    """Return a part of the groups of near duplicates, the largest first, and how many there are."""
    rows = connection.execute(_SQL["groups"], {**asdict(scope), "limit": limit, "offset": offset}).fetchall()
    found = [
        Group(
            by=(row["by_video"], row["by_ms"]), frames=[(video, time_ms) for video, time_ms in row["frames"]]
        )
        for row in rows
    ]
    return found, rows[0]["total"] if rows else 0


def similarities(
    connection: Connection, scope: Scope, keepers: Sequence[Frame]
) -> dict[tuple[Frame, Frame], float]:
    """Return how alike a frame of another video and one of these keepers are."""
    values = {**asdict(scope), "videos": sorted({video for video, _ in keepers})}
    rows = connection.execute(_SQL["similarities"], values).fetchall()
    return {
        ((row["video"], row["time_ms"]), (row["other_video"], row["other_ms"])): row["similarity"]
        for row in rows
    }


def histograms(
    connection: Connection, scope: Scope, *, thresholds: Sequence[float], bins: int
) -> list[Counts]:
    """Return how the frames' scores for each prompt are spread.

    Args:
        connection: any.
        scope: whose scores.
        thresholds: of the prompts, in their order.
        bins: number of equal steps from 0 to 1.
    """
    found = [Counts(bins=[0] * bins) for _ in thresholds]
    values = {**asdict(scope), "bins": bins, "thresholds": list(thresholds)}
    for row in connection.execute(_SQL["histogram"], values).fetchall():
        counts = found[row["prompt"]]
        counts.bins[max(row["bin"], 0)] += row["frames"]
        counts.reached += row["reached"]
    return found
