"""How fast items get finished, and how long what is left will take."""

from __future__ import annotations

from dataclasses import dataclass

from data_miner.db.connect import Connection
from data_miner.db.queries import queries

_SQL = queries("projects")

#: what was finished within this time says how fast it goes
WINDOW_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The pace of one stage of a project."""

    per_minute: float
    #: until what is queued now is done; None while nothing gets done
    eta_s: float | None


def read_rates(connection: Connection, *, project: str | None = None) -> dict[tuple[str, str], Rate]:
    """Return the pace by project and stage, of those that finished something lately or have work."""
    rows = connection.execute(_SQL["rates"], {"project": project, "window_s": WINDOW_S}).fetchall()
    return {
        (row["project"], row["stage"]): _rate(row["finished"], row["waiting"], row["span_s"]) for row in rows
    }


def _rate(finished: int, waiting: int, span_s: float | None) -> Rate:
    per_second = finished / max(span_s or WINDOW_S, 1.0)
    eta_s = waiting / per_second if per_second else None
    return Rate(per_minute=round(60 * per_second, 1), eta_s=None if eta_s is None else round(eta_s))
