"""What went wrong: errors in the logs, items that failed, sites that refuse us."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import Dashboard

from miner_cluster.dashboards.parts import APP, Sql, board, lines, log_lines, logql, number, rows

_DEAD = """
SELECT finished_at, project, stage, key, attempts, error, worker, node
FROM item WHERE state = 'dead' ORDER BY finished_at DESC LIMIT 100
"""
_RETRIES = """
SELECT project, stage, key, attempts, ready_at AS next_try, error, worker, node
FROM item WHERE state = 'ready' AND attempts > 0 ORDER BY attempts DESC, ready_at LIMIT 100
"""
_BLOCKED = (
    "SELECT site, blocked_until, blocks, reason FROM site_block WHERE blocked_until > now() ORDER BY site"
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return (
        board("errors", "Errors", "Errors in the logs, items that failed, sites that refuse us.")
        .with_panel(_count("Errors in the last hour", "error|critical", {1: "red"}))
        .with_panel(_count("Warnings in the last hour", "warning", {1: "yellow"}))
        .with_panel(
            number(
                "Dead letters",
                Sql("SELECT count(*) AS items FROM item WHERE state = 'dead'"),
                colors={1: "red"},
            )
        )
        .with_panel(
            number(
                "Sites that refuse us",
                Sql("SELECT count(*) AS sites FROM site_block WHERE blocked_until > now()"),
                colors={1: "yellow"},
            )
        )
        .with_panel(
            lines(
                "Warnings and errors in 5 minutes",
                logql(
                    f'sum by (severity) (count_over_time({{{APP}, severity=~"warning|error|critical"}}[5m]))',
                    legend="{{severity}}",
                ),
                width=24,
                bars=True,
                empty="no warnings and no errors",
            )
        )
        .with_panel(rows("Items that were given up", Sql(_DEAD), empty="no dead letters"))
        .with_panel(rows("Items that failed and are tried again", Sql(_RETRIES), empty="nothing failed"))
        .with_panel(rows("Why sites refuse us", Sql(_BLOCKED), height=5, empty="no site refuses us"))
        .with_panel(log_lines("Error log", f'{{{APP}, severity="error"}}', empty="no errors"))
    )


def _count(title: str, severities: str, colors: dict[float, str]) -> stat.Panel:
    selector = f'{{{APP}, severity=~"{severities}"}}'
    query = logql(f"sum(count_over_time({selector}[1h])) or vector(0)", instant=True)
    return number(title, query, colors=colors)
