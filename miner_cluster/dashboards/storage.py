"""Where the bytes are: the shared storage, the machines' disks, and what the projects keep."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from miner_cluster.dashboards.parts import APP, Sql, board, lines, logql, number, rows

_MEASURED = f'{{{APP}}} | json | action="disk_measured"'
_SHARED = f'{_MEASURED} | disk="shared"'
_NODES = f'{_MEASURED} | disk="node"'
_PROJECTS = """
SELECT project.name AS project, count(video.sha256) AS videos,
    coalesce(sum(video.size_bytes), 0) AS video_bytes,
    (SELECT coalesce(sum(frames), 0) FROM frameset WHERE frameset.project = project.name) AS frames
FROM project
    LEFT JOIN (SELECT DISTINCT project, video FROM video_origin) AS origin ON origin.project = project.name
    LEFT JOIN video ON video.sha256 = origin.video
GROUP BY project.name ORDER BY project.name
"""
_STORED = """
SELECT $__timeGroupAlias(created_at, '5m'), sum(size_bytes) AS bytes
FROM video WHERE $__timeFilter(created_at) GROUP BY 1 ORDER BY 1
"""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return (
        board("storage", "Storage", "The shared storage, the machines' disks, and what the projects keep.")
        .with_panel(
            number(
                "Shared storage free",
                logql(f"min(last_over_time({_SHARED} | unwrap free_bytes [15m]))", instant=True),
                unit="bytes",
            )
        )
        .with_panel(
            number(
                "Fullest machine, free",
                logql(f"min(last_over_time({_NODES} | unwrap free_percent [15m]))", instant=True),
                unit="percent",
                colors={0: "red", 10: "yellow", 20: "green"},
            )
        )
        .with_panel(
            number("Videos", Sql("SELECT coalesce(sum(size_bytes), 0) AS bytes FROM video"), unit="bytes")
        )
        .with_panel(
            number(
                "Certificate valid for",
                logql(
                    f'min(last_over_time({{{APP}}} | json | action="certificate_measured" '
                    "| unwrap days_left [15m]))",
                    instant=True,
                ),
                unit="d",
                colors={0: "red", 14: "yellow", 30: "green"},
            )
        )
        .with_panel(
            lines(
                "Shared storage free, over time",
                logql(f"min(last_over_time({_SHARED} | unwrap free_bytes [5m]))", legend="free"),
                unit="bytes",
            )
        )
        .with_panel(
            lines(
                "Machines' disks free, over time",
                logql(
                    f"min by (node) (last_over_time({_NODES} | unwrap free_bytes [5m]))", legend="{{node}}"
                ),
                unit="bytes",
            )
        )
        .with_panel(
            lines(
                "Video stored in 5 minutes",
                Sql(_STORED, over_time=True),
                unit="bytes",
                bars=True,
                empty="nothing was stored",
            )
        )
        .with_panel(rows("Projects", Sql(_PROJECTS), width=12, units={"video_bytes": "bytes"}))
    )
