"""Why items wait, and why some were skipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data_miner.db.connect import Connection
from data_miner.db.queries import queries
from data_miner.queue.leases import given_back

_SQL = queries("projects")
#: of a project, as many reasons for skipped items are named
_MOST = 5


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """Of one project."""

    #: what workers lacked that gave items back untried
    waiting: list[str]
    #: stage, reason, items: the most frequent ones
    skipped: list[dict[str, Any]]


def read_reasons(connection: Connection, projects: Sequence[str]) -> dict[str, Reasons]:
    """Return the reasons of each of these projects."""
    return {
        name: Reasons(
            waiting=given_back(connection, name),
            skipped=connection.execute(_SQL["skipped"], {"project": name, "limit": _MOST}).fetchall(),
        )
        for name in projects
    }
