"""The page that shows every panel's result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from .check import Outcome, Report
from .sources import Result
from .values import words

_SHOWN_ROWS = 20
#: characters from which a cell may be broken
_WIDE = 40
#: of a log line, what its place or another column says already
_KNOWN = {"time", "logger", "worker", "action"}
_COLORS = ("#3274d9", "#e0752d", "#37872d", "#a352cc", "#c4162a", "#0f8b8d", "#8f6b00", "#5b6770")
_STYLE = Path(__file__).with_name("page.css").read_text("utf-8")


def render(report: Report | None) -> str:
    """Return the page."""
    if report is None:
        return _document("<p>The first run is under way; this page loads itself again.</p>", "starting")
    failures = report.failures
    verdict = f"{len(failures)} of {len(report.outcomes)} fail" if failures else "every query gives data"
    parts = [f'<p class="bad">{escape(problem)}</p>' for problem in report.problems]
    boards: list[str] = []
    for board, outcomes in groupby(report.outcomes, key=lambda one: one.query.board):
        cards = "".join(_card(one) for one in outcomes)
        boards.append(board)
        parts.append(f'<h2 id="{escape(board)}">{escape(board)}</h2><div class="grid">{cards}</div>')
    links = "".join(f'<a href="#{escape(board)}">{escape(board)}</a> ' for board in boards)
    at = datetime.fromtimestamp(report.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    kind = "bad" if failures else "good"
    state = f'<span class="{kind}">{verdict}</span> <span class="dim">{at}</span>'
    return _document(f"<nav>{links}</nav>{''.join(parts)}", state)


def _document(body: str, state: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="30">'
        '<meta name="viewport" content="width=device-width"><title>data-miner dashboards (stand-in)</title>'
        f"<style>{_STYLE}</style></head><body><header><h1>data-miner dashboards</h1>{state}</header>"
        '<p class="note">This is not Grafana. It stands in for it in this lab: it reads the same files and '
        "runs every panel's query and every alert rule's for real.</p>"
        f"{body}</body></html>"
    )


def _card(outcome: Outcome) -> str:
    query = outcome.query
    if outcome.failure:
        inside = f'<p class="bad">{escape(outcome.failure)}</p>'
    elif outcome.result is None or outcome.result.empty:
        inside = f'<p class="dim">{escape(query.empty)}</p>'
    else:
        inside = _result(outcome, outcome.result)
    text = query.model.get("expr") or query.model.get("rawSql") or ""
    details = f'<details><summary class="dim">query</summary><code>{escape(text)}</code></details>'
    taken = f'<span class="dim">{outcome.elapsed_s * 1000:.0f} ms</span>'
    return (
        f'<section class="card w{query.width}{" failed" if outcome.failure else ""}">'
        f"<h3><span>{escape(query.title)}</span>{taken}</h3>{inside}{details}</section>"
    )


def _result(outcome: Outcome, result: Result) -> str:
    query = outcome.query
    if query.shape == "stat":
        return f'<div class="number">{escape(words(result.rows[0][-1], query.unit))}</div>'
    if query.shape == "alert":
        state = '<span class="bad">would fire</span>' if outcome.firing else '<span class="good">quiet</span>'
        return f"<p>{state}</p>{_table(result, {})}"
    if query.shape == "logs":
        return _logs(result)
    if result.series:
        return _diagram(result, query.unit)
    units = dict.fromkeys(result.columns, query.unit) if query.shape == "bargauge" else dict(query.units)
    return _table(result, units)


def _logs(result: Result) -> str:
    """Return log lines: of one that is an object, its message first and what says least in grey."""
    shown = []
    for at, line in result.rows[:_SHOWN_ROWS]:
        fields = _fields(line)
        severity = str(fields.pop("severity", ""))
        message = str(fields.pop("message", line))
        rest = "  ".join(f"{key}={value}" for key, value in fields.items() if key not in _KNOWN)
        kind = "bad" if severity in {"error", "critical"} else "warn" if severity == "warning" else "dim"
        shown.append(
            f"<tr><td class=dim>{escape(at[11:23])}</td><td class={kind}>{escape(severity)}</td>"
            f"<td>{escape(str(fields.get('worker', '')))}</td>"
            f"<td class=wide>{escape(message)} <span class=dim>{escape(rest)}</span></td></tr>"
        )
    return f"<table>{''.join(shown)}</table>{_more(result.rows)}"


def _fields(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _more(rows: Sequence[Any]) -> str:
    more = len(rows) - _SHOWN_ROWS
    return f'<p class="dim">and {more} more</p>' if more > 0 else ""


def _table(result: Result, units: dict[str, str]) -> str:
    numeric = [
        all(isinstance(row[n], int | float | Decimal) or row[n] is None for row in result.rows)
        for n in range(len(result.columns))
    ]
    head = "".join(
        f"<th{' class=right' if right else ''}>{escape(column)}</th>"
        for column, right in zip(result.columns, numeric, strict=True)
    )
    body = "".join(_row(row, result.columns, units, numeric) for row in result.rows[:_SHOWN_ROWS])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{_more(result.rows)}"


def _row(row: Sequence[Any], columns: Sequence[str], units: dict[str, str], numeric: Sequence[bool]) -> str:
    cells = []
    for cell, column, right in zip(row, columns, numeric, strict=True):
        text = words(cell, units.get(column, ""))
        kind = "right" if right else "wide" if len(text) > _WIDE else ""
        cells.append(f"<td{f' class={kind}' if kind else ''}>{escape(text)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _diagram(result: Result, unit: str) -> str:
    """Return the lines of a panel, all on one scale that begins at 0, and below them what each is last."""
    points = [point for line in result.series.values() for point in line]
    start, end = min(at for at, _ in points), max(at for at, _ in points)
    top = max(value for _, value in points) or 1
    paths, keys = [], []
    for number, (name, line) in enumerate(sorted(result.series.items())):
        color = _COLORS[number % len(_COLORS)]
        paths.append(f'<path stroke="{color}" d="{_path(line, start, end, top)}"/>')
        keys.append(
            f'<tr><td><span class="key" style="background:{color}"></span>{escape(name)}</td>'
            f'<td class="right">{escape(words(line[-1][1], unit))}</td></tr>'
        )
    return (
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{"".join(paths)}</svg>'
        f"<table>{''.join(keys[:_SHOWN_ROWS])}</table>{_more(keys)}"
    )


def _path(line: Sequence[tuple[float, float]], start: float, end: float, top: float) -> str:
    width = (end - start) or 1
    points = [f"{100 * (at - start) / width:.1f},{98 - 96 * value / top:.1f}" for at, value in line]
    # A single point is drawn as a short line.
    first = points[0]
    return f"M{first} L{' L'.join(points[1:] or [f'100,{first.partition(chr(44))[2]}'])}"
