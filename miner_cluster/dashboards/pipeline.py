"""The pipeline at a glance: what came of it, what waits, and whether it moves."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from miner_cluster.dashboards.parts import (
    APP,
    STAGES,
    Sql,
    board,
    gauges,
    lines,
    log_lines,
    logql,
    number,
    rows,
)

_BY_STAGE = """
SELECT project, stage,
    count(*) FILTER (WHERE state = 'ready') AS ready,
    count(*) FILTER (WHERE state = 'leased') AS leased,
    count(*) FILTER (WHERE state = 'done') AS done,
    count(*) FILTER (WHERE state = 'skipped') AS skipped,
    count(*) FILTER (WHERE state = 'dead') AS dead
FROM item GROUP BY project, stage ORDER BY project, min(id)
"""
#: near duplicates of what is kept, with whatever parameters; boxes found in them earlier are still there
_DROPPED = """
SELECT project, video, time_ms FROM dedup_frame GROUP BY project, video, time_ms HAVING NOT bool_or(kept)
"""
_FRAMES = f"""
WITH dropped AS ({_DROPPED})
SELECT name AS project,
    (SELECT coalesce(sum(frames), 0) FROM frameset WHERE frameset.project = name) AS cut,
    (SELECT coalesce(sum(cardinality(passed_ms)), 0) FROM filtered WHERE filtered.project = name) AS passed,
    (SELECT count(*) FROM dedup_frame WHERE dedup_frame.project = name AND kept) AS kept,
    (SELECT count(*) FROM object_box LEFT JOIN dropped USING (project, video, time_ms)
        WHERE object_box.project = name AND dropped.time_ms IS NULL) AS objects
FROM project ORDER BY name
"""  # noqa: S608 - only queries of our own
_KEPT = """
SELECT coalesce(sum(CASE
    WHEN config -> 'stages' ? 'dedup' THEN
        (SELECT count(*) FROM dedup_frame WHERE dedup_frame.project = name AND kept)
    WHEN config -> 'stages' ? 'filter' THEN
        (SELECT sum(cardinality(passed_ms)) FROM filtered WHERE filtered.project = name)
    ELSE (SELECT sum(frames) FROM frameset WHERE frameset.project = name)
END), 0) AS frames FROM project
"""
_LABELS = f"""
SELECT project, label, count(*) AS objects, round(100 * avg(score)) AS mean_percent
FROM object_box LEFT JOIN ({_DROPPED}) AS dropped USING (project, video, time_ms)
WHERE dropped.time_ms IS NULL
GROUP BY project, label ORDER BY project, objects DESC LIMIT 100
"""  # noqa: S608 - only queries of our own
_OLDEST = f"""
SELECT stage,
    coalesce(extract(epoch FROM now() - min(ready_at) FILTER (WHERE state = 'ready' AND ready_at < now())), 0)
        AS seconds
FROM (VALUES {STAGES}) AS stages (number, stage) LEFT JOIN item USING (stage)
GROUP BY number, stage ORDER BY number
"""  # noqa: S608 - only names of our own
_FINISHED = """
SELECT $__timeGroupAlias(finished_at, '5m'), stage AS metric, count(*) AS items
FROM item WHERE $__timeFilter(finished_at) GROUP BY 1, 2 ORDER BY 1
"""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return (
        board("pipeline", "Pipeline", "What came of the projects, what waits, and whether it moves.")
        .with_panel(number("Videos", Sql("SELECT count(*) AS videos FROM video")))
        .with_panel(number("Frames kept", Sql(_KEPT)))
        .with_panel(
            number(
                "Items to do", Sql("SELECT count(*) AS items FROM item WHERE state IN ('ready', 'leased')")
            )
        )
        .with_panel(
            number(
                "Dead letters",
                Sql("SELECT count(*) AS items FROM item WHERE state = 'dead'"),
                colors={1: "red"},
            )
        )
        .with_panel(rows("Items by stage and state", Sql(_BY_STAGE)))
        .with_panel(rows("Frames, with all parameters there were", Sql(_FRAMES), width=12))
        .with_panel(
            rows("Objects by label", Sql(_LABELS), width=12, empty="no objects were looked for, or found")
        )
        .with_panel(
            lines(
                "Items finished in 5 minutes",
                Sql(_FINISHED, over_time=True),
                bars=True,
                empty="nothing was finished",
            )
        )
        .with_panel(
            gauges(
                "Longest wait of an item that is ready",
                Sql(_OLDEST),
                unit="s",
                colors={300: "yellow", 900: "red"},
            )
        )
        .with_panel(
            lines(
                "Log lines in 5 minutes",
                logql(f"sum by (logger) (count_over_time({{{APP}}}[5m]))", legend="{{logger}}"),
                width=24,
            )
        )
        .with_panel(log_lines("All logs", f"{{{APP}}}"))
    )
