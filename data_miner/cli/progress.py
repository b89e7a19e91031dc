"""Watching a project until all of it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from data_miner.cli.projects import ALIVE_S
from data_miner.cli.status import Paused, Rates, stage_table
from data_miner.db.connect import Connection
from data_miner.db.projects import Status, read_status, stage_counts
from data_miner.db.rates import read_rates
from data_miner.errors import MinerError
from data_miner.queue.items import State
from data_miner.queue.leases import given_back
from data_miner.queue.pauses import paused

_LOOK_S = 0.5
#: without a terminal a line is enough now and then
_LINE_S = 10.0
#: workers that still lack what they need after this long will hardly get it
_PATIENCE_S = 30.0


def follow(
    connection: Connection, project: str, *, check: Callable[[], None], console: Console
) -> dict[str, dict[str, int]]:
    """Show how far a project is, until nothing is left to do but what is paused.

    Args:
        connection: in autocommit mode.
        project: by name.
        check: called at each look; raises what ends the wait.
        console: where to show it.

    Returns:
        The items at the end as {stage: {state: number}}.

    Raises:
        MinerError: workers lack something, and it does not come.
    """
    stuck_since: float | None = None
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    lines = _Lines(console)
    with live or nullcontext():
        while True:
            check()
            status = read_status(connection, project=project, alive_s=ALIVE_S)
            rates, pauses = read_rates(connection, project=project), paused(connection, project)
            counts = stage_counts(status, project)
            if _left(counts, project, pauses) == 0:
                return counts
            reasons = given_back(connection, project)
            if not reasons or any(of_stage[State.LEASED] for of_stage in counts.values()):
                stuck_since = None
            elif stuck_since is None:
                stuck_since = time.monotonic()
            elif time.monotonic() - stuck_since > _PATIENCE_S:
                raise MinerError("\n".join(reasons))
            if live is not None:
                live.update(_view(status, project, rates, pauses, reasons), refresh=True)
            else:
                lines.show(counts)
            time.sleep(_LOOK_S)


def _left(counts: dict[str, dict[str, int]], project: str, pauses: Paused) -> int:
    waiting = pauses.get(project, ())
    return sum(
        of_stage[State.READY] * (stage not in waiting) + of_stage[State.LEASED]
        for stage, of_stage in counts.items()
    )


def _view(status: Status, project: str, rates: Rates, pauses: Paused, reasons: list[str]) -> RenderableType:
    table = stage_table(status, project, rates, pauses.get(project, ()))
    sites = [
        f"{site['site']} refuses us, next try in {site['seconds']:.0f} s: {site['reason']}"
        for site in status.blocked_sites
    ]
    return Group(table, *(Text(text) for text in [*reasons, *sites]))


class _Lines:
    """A line now and then, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_at: float | None = None

    def show(self, counts: dict[str, dict[str, int]]) -> None:
        now = time.monotonic()
        if self._shown_at is not None and now - self._shown_at < _LINE_S:
            return
        self._shown_at = now
        parts = []
        for stage, of_stage in counts.items():
            total = sum(of_stage.values())
            parts.append(f"{stage} {total - of_stage[State.READY] - of_stage[State.LEASED]}/{total}")
        self._console.print(", ".join(parts), highlight=False)
