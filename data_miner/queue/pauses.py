"""Pausing stages of a project: nobody claims their items; what is being worked on is finished."""

from __future__ import annotations

from collections.abc import Sequence

from data_miner.config.model import Stage
from data_miner.db.connect import Connection
from data_miner.db.queries import queries

_SQL = queries("queue")


def pause(connection: Connection, project: str, stages: Sequence[Stage] = tuple(Stage)) -> set[Stage]:
    """Pause stages of a project; returns those that were not paused before."""
    return _change(connection, "pause", project, stages)


def resume(connection: Connection, project: str, stages: Sequence[Stage] = tuple(Stage)) -> set[Stage]:
    """Resume stages of a project; returns those that were paused."""
    return _change(connection, "resume", project, stages)


def paused(connection: Connection, project: str | None = None) -> dict[str, list[Stage]]:
    """Return the paused stages of each project that has any, in the order of the pipeline."""
    rows = connection.execute(_SQL["pauses"], {"project": project}).fetchall()
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["project"], set()).add(row["stage"])
    return {name: [stage for stage in Stage if stage in stages] for name, stages in sorted(found.items())}


def _change(connection: Connection, query: str, project: str, stages: Sequence[Stage]) -> set[Stage]:
    values = {"project": project, "stages": [stage.value for stage in stages]}
    return {Stage(row["stage"]) for row in connection.execute(_SQL[query], values).fetchall()}
