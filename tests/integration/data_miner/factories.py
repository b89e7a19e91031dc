"""Things that tests need many of."""

from __future__ import annotations

from typing import Any

from data_miner.config import AppConfig, Layer, Stage, load_app_config, validate
from data_miner.db.connect import Connection
from data_miner.db.projects import save_project
from data_miner.queue.items import Item, NewItem
from data_miner.queue.leases import claim, enqueue


def make_config(**changes: Any) -> AppConfig:
    """A configuration of the project `p` with quick timings."""
    quick = {
        "project": "p",
        "queue": {"lease_s": 5, "heartbeat_s": 0.5, "poll_s": 0.05, "backoff_s": 0.05, "max_backoff_s": 1},
        "worker": {"port": 0, "pause_s": 0.1},
        "monitor": {"interval_s": 0.1, "reseed_s": 1},
    }
    layers = [Layer(name="quick", data=quick), Layer(name="test", data=changes)]
    data: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.data.items():
            data[key] = {**data.get(key, {}), **value} if isinstance(value, dict) else value
    return validate(load_app_config(None, Layer(name="test", data=data)))


def add_items(connection: Connection, count: int, *, project: str = "p", **fields: Any) -> int:
    """Make the project and add items a0, a1, … to its download stage."""
    save_project(connection, make_config(project=project))
    template: dict[str, Any] = {"project": project, "stage": Stage.DOWNLOAD, **fields}
    return enqueue(connection, [NewItem(key=f"a{number}", **template) for number in range(count)])


def take(connection: Connection, limit: int = 1, *, worker: str = "w", lease_s: float = 30) -> list[Item]:
    """Claim download items."""
    return claim(connection, Stage.DOWNLOAD, worker=worker, node="n", limit=limit, lease_s=lease_s)


def states(connection: Connection) -> dict[str, str]:
    """The state of each item by key."""
    return {row["key"]: row["state"] for row in connection.execute("SELECT key, state FROM item").fetchall()}


def expire(connection: Connection) -> None:
    """Let all leases run out."""
    connection.execute("UPDATE lease SET lease_until = now() - interval '1 s'")


def let_wait_until(connection: Connection, moment: str, condition: str = "true") -> None:
    """Say when the items that are ready, or some of them, may be tried; moment and condition are SQL."""
    with connection.transaction():
        connection.execute(f"UPDATE task SET ready_at = {moment} WHERE {condition}")  # noqa: S608
        rows = connection.execute("DELETE FROM ready RETURNING tasks").fetchall()
        connection.execute("SELECT let_wait(%s)", [[id_ for row in rows for id_ in row["tasks"]]])


def begin_again(connection: Connection, condition: str) -> list[int]:
    """Let items that ended wait again, as if nobody had worked on them; returns which."""
    with connection.transaction():
        ended = f"DELETE FROM finished WHERE task IN (SELECT id FROM item WHERE {condition}) RETURNING task"  # noqa: S608
        ids = [row["task"] for row in connection.execute(ended).fetchall()]
        connection.execute("SELECT let_wait(%s)", [ids])
    return ids


def end(connection: Connection, state: str, condition: str = "true", error: str | None = None) -> None:
    """Let items end in a state, wherever they stand; the condition is SQL."""
    with connection.transaction():
        ended = f"SELECT id FROM item WHERE {condition}"  # noqa: S608
        ids = [row["id"] for row in connection.execute(ended).fetchall()]
        for table in ("ready", "lease"):
            connection.execute(
                f"UPDATE {table} SET tasks = ARRAY(SELECT unnest(tasks) EXCEPT SELECT unnest(%s))",  # noqa: S608
                [ids],
            )
            connection.execute(f"DELETE FROM {table} WHERE tasks = '{{}}'")  # noqa: S608
        connection.execute("DELETE FROM finished WHERE task = ANY(%s)", [ids])
        connection.execute(
            "INSERT INTO finished (task, lane, state, finished_at, error)"
            " SELECT id, lane, %s, now(), %s FROM task WHERE id = ANY(%s)",
            [state, error, ids],
        )
