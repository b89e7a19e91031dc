"""Running all queries, again and again, and keeping what came of the last time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .provisioning import DataSource, Provisioned, Query, load
from .sources import QueryError, Result, ask

#: seconds between two runs while all is well, and while it is not
_EVERY_S, _SOON_S = 60.0, 10.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one query."""

    query: Query
    result: Result | None
    #: why it fails; empty where it doesn't
    failure: str
    elapsed_s: float
    #: of an alert rule: whether it would fire
    firing: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of one run."""

    at_s: float
    outcomes: list[Outcome]
    #: of the files themselves
    problems: list[str]

    @property
    def failures(self) -> list[str]:
        """Return everything that keeps this from being healthy."""
        failed = [one for one in self.outcomes if one.failure]
        return [*self.problems, *(f"{one.query.board}, {one.query.title}: {one.failure}" for one in failed)]

    @property
    def empty(self) -> list[str]:
        """Return the panels that are empty, and may be."""
        return [
            f"{one.query.board}, {one.query.title}"
            for one in self.outcomes
            if not one.failure and one.result is not None and one.result.empty
        ]


def run(provisioned: Provisioned, ask: Callable[[DataSource, Query], Result] = ask) -> Report:
    """Run every query once."""
    outcomes = [
        _outcome(provisioned.sources[query.source], query, ask)
        for query in provisioned.queries
        if query.source in provisioned.sources
    ]
    return Report(at_s=time.time(), outcomes=outcomes, problems=provisioned.problems)


def _outcome(source: DataSource, query: Query, ask: Callable[[DataSource, Query], Result]) -> Outcome:
    started = time.monotonic()
    result, failure = None, ""
    try:
        result = ask(source, query)
    except QueryError as error:
        failure = str(error)
    if result is not None and result.empty and not query.empty:
        failure = "the result is empty"
    return Outcome(
        query=query,
        result=result,
        failure=failure,
        elapsed_s=time.monotonic() - started,
        firing=result is not None and _fires(result, query),
    )


def _fires(result: Result, query: Query) -> bool:
    if query.limit is None:
        return False
    kind, limit = query.limit
    values = [float(row[-1]) for row in result.rows if row[-1] is not None]
    return any(value > limit if kind == "gt" else value < limit for value in values)


class Checker:
    """Runs in a thread of its own; ``report`` is what came of the last run, None before the first.

    Args:
        directory: of the provisioning files; read anew each time.
        environment: for the variables in them.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment
        self.report: Report | None = None

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="checker", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.report = run(load(self._directory, self._environment))
            time.sleep(_SOON_S if self.report.failures else _EVERY_S)
