"""Asking Loki and Postgres what Grafana would ask them."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from .provisioning import DataSource, Query

TIMEOUT_S = 15
#: so many points has a line
_POINTS = 120
_MAX_LINES = 200
_MAX_ROWS = 200
_FUNCTION = re.compile(r"\$__(\w+)\(([^()]*)\)")
_INTERVAL = re.compile(r"\$__(interval|auto|range)\b")


class QueryError(Exception):
    """A query that gives no answer; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """An answer: a table, where the first column of what goes over time is called ``time``."""

    columns: list[str]
    rows: list[list[Any]]
    #: values over time by what they are of
    series: dict[str, list[tuple[float, float]]]

    @property
    def empty(self) -> bool:
        """Whether there is nothing, or nothing but missing values."""
        return not any(cell is not None for row in self.rows for cell in row) and not self.series


def ask(source: DataSource, query: Query) -> Result:
    """Run a query.

    Raises:
        QueryError: the source is away, or refuses it.
    """
    now_s = time.time()
    if source.kind == "loki":
        return _loki(source, query, now_s)
    return _postgres(source, query, now_s)


def _loki(source: DataSource, query: Query, now_s: float) -> Result:
    step_s = max(query.look_back_s // _POINTS, 15)
    values = {"interval": f"{step_s}s", "auto": f"{step_s}s", "range": f"{query.look_back_s}s"}
    parameters: dict[str, Any] = {"query": _INTERVAL.sub(lambda found: values[found[1]], query.model["expr"])}
    if query.model.get("queryType") == "instant":
        path = "query"
        parameters["time"] = now_s
    else:
        path = "query_range"
        parameters |= {"start": now_s - query.look_back_s, "end": now_s, "step": step_s}
        parameters |= {"limit": query.model.get("maxLines") or _MAX_LINES, "direction": "backward"}
    url = f"{source.url}/loki/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - from the provisioning
            data = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise QueryError(
            f"HTTP {error.code}: {error.read(500).decode('utf-8', 'replace').strip()}"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise QueryError(f"{source.url}: {error}") from error
    return _from_loki(data, query.model.get("legendFormat") or "")


def _from_loki(data: dict[str, Any], legend: str) -> Result:
    found = data["result"]
    if data["resultType"] == "streams":
        lines = [(int(at), line) for stream in found for at, line in stream["values"]]
        rows = [[_moment(at / 1e9), line] for at, line in sorted(lines, reverse=True)[:_MAX_LINES]]
        return Result(columns=["time", "line"], rows=rows, series={})
    if data["resultType"] == "vector":
        rows = [[_name(one["metric"], legend), float(one["value"][1])] for one in found]
        return Result(columns=["series", "value"], rows=rows, series={})
    series = {
        _name(one["metric"], legend): [(float(at), float(value)) for at, value in one["values"]]
        for one in found
    }
    return Result(columns=[], rows=[], series=series)


def _name(labels: dict[str, str], legend: str) -> str:
    if legend:
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)
    return ", ".join(f"{name} {value}" for name, value in sorted(labels.items())) or "value"


def _postgres(source: DataSource, query: Query, now_s: float) -> Result:
    host, _, port = source.url.rpartition(":")
    try:
        with (
            psycopg.connect(
                host=host,
                port=port,
                user=source.user,
                password=source.password,
                dbname=source.database,
                sslmode=source.sslmode,
                connect_timeout=TIMEOUT_S,
                options=f"-c statement_timeout={TIMEOUT_S}s",
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(macros(query.model["rawSql"], now_s - query.look_back_s, now_s).encode())
            columns = [column.name for column in cursor.description or []]
            rows = [list(row) for row in cursor.fetchmany(_MAX_ROWS)]
    except (psycopg.Error, OSError) as error:
        raise QueryError(" ".join(str(error).split())) from error
    if query.model.get("format") == "time_series":
        return _over_time(columns, rows)
    return Result(columns=columns, rows=rows, series={})


def macros(text: str, start_s: float, end_s: float) -> str:
    """Put in what stands for Grafana's macros in SQL.

    Raises:
        QueryError: a macro that is not known here.
    """

    def replace(found: re.Match[str]) -> str:
        name, arguments = found[1], [part.strip() for part in found[2].split(",")]
        if name == "timeFilter":
            return f"{arguments[0]} BETWEEN '{_moment(start_s)}' AND '{_moment(end_s)}'"
        if name == "timeGroupAlias":
            seconds = (
                int(arguments[1].strip("'")[:-1]) * {"s": 1, "m": 60, "h": 3600}[arguments[1].strip("'")[-1]]
            )
            return f'floor(extract(epoch FROM {arguments[0]}) / {seconds}) * {seconds} AS "time"'
        raise QueryError(f"$__{name} is not known here")

    done = _FUNCTION.sub(replace, text)
    if "$__" in done:
        raise QueryError(f"a macro in this query is not known here: {done}")
    return done


def _over_time(columns: list[str], rows: list[list[Any]]) -> Result:
    """Return a table with a column ``time`` as lines: one for each metric and each column of numbers."""
    series: dict[str, list[tuple[float, float]]] = {}
    at = columns.index("time")
    metric = columns.index("metric") if "metric" in columns else None
    for row in rows:
        for number, column in enumerate(columns):
            if number not in {at, metric} and row[number] is not None:
                name = column if metric is None else str(row[metric])
                series.setdefault(name, []).append((float(row[at]), float(row[number])))
    return Result(columns=[], rows=[], series=series)


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
