"""Projects with their configuration, workers that are alive, and the counts that status shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import ValidationError

from data_miner.config import AppConfig, Stage, to_plain
from data_miner.db.connect import Connection
from data_miner.db.queries import queries
from data_miner.errors import MinerError
from data_miner.queue.items import State, params_hash

_SQL = queries("projects")

#: of items, in the order in which they are shown
STATES = (State.READY, State.LEASED, State.DONE, State.SKIPPED, State.DEAD)


def save_project(connection: Connection, config: AppConfig) -> None:
    """Store a project's configuration, from which its items take their parameters."""
    plain = to_plain(config)
    values = {"name": config.project, "config": Jsonb(plain), "config_hash": params_hash(plain)}
    connection.execute(_SQL["save_project"], values)


def project_config(connection: Connection, name: str) -> AppConfig:
    """Return a project's configuration as it was stored.

    Raises:
        MinerError: there is no such project, or another version of the program stored it.
    """
    row = connection.execute(_SQL["project_config"], {"name": name}).fetchone()
    if row is None:
        raise MinerError(f"project {name}: not known to this database")
    try:
        return AppConfig.model_validate(row["config"])
    except ValidationError as error:
        raise MinerError(
            f"project {name}: its stored configuration is of another version of this program;"
            " the monitor stores it anew when it starts"
        ) from error


def project_names(connection: Connection) -> list[str]:
    """Return the projects by name."""
    return [row["name"] for row in connection.execute(_SQL["projects"]).fetchall()]


def project_videos(connection: Connection, name: str) -> list[tuple[str, str]]:
    """Return (sha256, path) of each video of a project."""
    rows = connection.execute(queries("results")["project_videos"], {"project": name}).fetchall()
    return [(row["sha256"], row["path"]) for row in rows]


def report_worker(connection: Connection, *, name: str, stage: str, node: str, item_id: int | None) -> None:
    """Note that a worker is alive, and what it works on."""
    connection.execute(
        _SQL["report_worker"], {"name": name, "stage": stage, "node": node, "item_id": item_id}
    )


def forget_worker(connection: Connection, name: str) -> None:
    """Note that a worker ended as it should."""
    connection.execute(_SQL["forget_worker"], {"name": name})


def forget_lost_workers(connection: Connection) -> None:
    """Drop workers that have not reported for an hour."""
    connection.execute(_SQL["forget_lost_workers"])


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is in the database, as ``data-miner status`` shows it."""

    #: one for each project: project, videos, bytes, frames
    projects: list[dict[str, Any]] = field(default_factory=list)
    #: project, stage, state, items
    items: list[dict[str, Any]] = field(default_factory=list)
    #: project, node, stage, items: what the workers of each machine finished
    nodes: list[dict[str, Any]] = field(default_factory=list)
    #: name, stage, node, item_id, seen_s
    workers: list[dict[str, Any]] = field(default_factory=list)
    #: site, seconds, reason
    blocked_sites: list[dict[str, Any]] = field(default_factory=list)


def read_status(connection: Connection, *, project: str | None = None, alive_s: float) -> Status:
    """Count everything in one snapshot.

    Args:
        connection: any.
        project: only this one.
        alive_s: workers that reported within this many seconds are alive.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return Status(
            projects=connection.execute(_SQL["result_counts"], {"project": project}).fetchall(),
            items=connection.execute(_SQL["item_counts"], {"project": project}).fetchall(),
            nodes=connection.execute(_SQL["node_counts"], {"project": project}).fetchall(),
            workers=connection.execute(_SQL["workers"], {"alive_s": alive_s}).fetchall(),
            blocked_sites=connection.execute(_SQL["blocked_sites"]).fetchall(),
        )


def dead_items(connection: Connection, project: str, *, limit: int) -> list[dict[str, Any]]:
    """Return a project's latest dead letters with their reasons."""
    return connection.execute(_SQL["dead_items"], {"project": project, "limit": limit}).fetchall()


def stage_counts(status: Status, project: str) -> dict[str, dict[str, int]]:
    """Return a project's items as {stage: {state: number}}, stages in pipeline order."""
    counts: dict[str, dict[str, int]] = {}
    for stage in Stage:
        rows = [row for row in status.items if (row["project"], row["stage"]) == (project, stage)]
        if rows:
            found = {row["state"]: int(row["items"]) for row in rows}
            counts[stage.value] = {state.value: found.get(state, 0) for state in STATES}
    return counts
