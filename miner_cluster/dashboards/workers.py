"""Who works on what, where, and how fast."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from miner_cluster.dashboards.parts import APP, Sql, board, lines, log_lines, logql, number, rows

_ALIVE = "seen_at > now() - interval '30 seconds'"
_WORKERS = f"""
SELECT name AS worker, worker.stage, worker.node, key AS item,
    extract(epoch FROM now() - seen_at) AS seen, extract(epoch FROM now() - started_at) AS running
FROM worker LEFT JOIN item ON item.id = item_id WHERE {_ALIVE} ORDER BY worker.stage, name
"""  # noqa: S608 - only a condition of our own
_NODES = """
SELECT node, project, stage, count(*) AS items, max(finished_at) AS last
FROM item WHERE state = 'done' GROUP BY node, project, stage ORDER BY node, project, min(id)
"""
_FINISHED = f'{{{APP}}} | json | action="item_finished"'


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return (
        board("workers", "Workers", "Who works on what, where, and how fast.")
        .with_panel(
            number(
                "Workers alive",
                Sql(f"SELECT count(*) AS workers FROM worker WHERE {_ALIVE}"),  # noqa: S608 - as above
            )
        )
        .with_panel(
            number(
                "Machines that work",
                Sql(f"SELECT count(DISTINCT node) AS nodes FROM worker WHERE {_ALIVE}"),  # noqa: S608
            )
        )
        .with_panel(number("Items in work", Sql("SELECT count(*) AS items FROM item WHERE state = 'leased'")))
        .with_panel(
            number(
                "Leases that ran out in the last hour",
                logql(
                    f'sum(count_over_time({{{APP}}} | json | action="lease_expired" [1h])) or vector(0)',
                    instant=True,
                ),
                colors={1: "yellow"},
            )
        )
        .with_panel(rows("Workers", Sql(_WORKERS), units={"seen": "s", "running": "s"}))
        .with_panel(
            lines(
                "Items finished in 5 minutes, by worker",
                logql(f"sum by (worker) (count_over_time({_FINISHED} [5m]))", legend="{{worker}}"),
                bars=True,
                empty="nothing was finished",
            )
        )
        .with_panel(
            lines(
                "Seconds for an item, by stage",
                logql(
                    f"avg by (stage) (avg_over_time({_FINISHED} | unwrap elapsed_s [15m]))",
                    legend="{{stage}}",
                ),
                unit="s",
                empty="nothing was finished",
            )
        )
        .with_panel(rows("Items done by machine", Sql(_NODES), empty="nothing is done yet"))
        .with_panel(
            log_lines(
                "Worker lifecycle",
                '{logger="data_miner.workers.base"}',
                empty="no worker started, stopped or took an item",
            )
        )
        .with_panel(log_lines("Downloads", f'{{{APP}}} |~ "download"', empty="nothing was downloaded"))
    )
