"""The alert rules. They hold no ``$``, which Grafana takes for a variable of its environment in this file."""

from __future__ import annotations

from typing import Any, Literal

from miner_cluster.dashboards.parts import APP, STAGES
from miner_cluster.grafana import LOKI_UID, POSTGRES_UID

FOLDER = GROUP = "data-miner"
#: seconds of data that a rule looks at
_LOOK_BACK_S = 900
_DISK_PERCENT = 10
_CERTIFICATE_DAYS = 14
_STUCK_S = 900

_MEASURED = f"{{{APP}}} | json | action="
_DEAD = f"""
SELECT stage, count(item.id) FILTER (WHERE state = 'dead') AS items
FROM (VALUES {STAGES}) AS stages (number, stage) LEFT JOIN item USING (stage) GROUP BY stage
"""  # noqa: S608 - only names of our own
_STUCK = f"""
SELECT stage, CASE
    WHEN max(finished_at) > now() - interval '{_STUCK_S} seconds' OR bool_or(state = 'leased') THEN 0
    ELSE coalesce(extract(epoch FROM now() - min(ready_at) FILTER (WHERE state = 'ready')), 0) END AS seconds
FROM (VALUES {STAGES}) AS stages (number, stage) LEFT JOIN item USING (stage) GROUP BY stage
"""  # noqa: S608 - as above


def rules() -> dict[str, Any]:
    """Return the provisioning file of the rules."""
    disk = f'min by (disk, node) (last_over_time({_MEASURED}"disk_measured" | unwrap free_percent [15m]))'
    measured = f'last_over_time({_MEASURED}"certificate_measured" | unwrap days_left [15m])'
    certificate = f"min by (certificate) ({measured})"
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": GROUP,
                "folder": FOLDER,
                "interval": "1m",
                "rules": [
                    _rule(
                        "disk",
                        "A disk is nearly full",
                        _loki(disk),
                        ("lt", _DISK_PERCENT),
                        f"Less than {_DISK_PERCENT} % of the shared storage or of a machine's disk is free. "
                        "Remove what is no longer needed, add disks, or raise disk_limit_mb.",
                    ),
                    _rule(
                        "dead-letters",
                        "Items were given up",
                        _postgres(_DEAD),
                        ("gt", 0),
                        "The dashboard Errors says why. "
                        "When the cause is gone, data-miner retry queues them again.",
                    ),
                    _rule(
                        "stuck-queue",
                        "A queue does not move",
                        _postgres(_STUCK),
                        ("gt", _STUCK_S),
                        f"Items have been ready for {_STUCK_S // 60} minutes and nobody works on them. "
                        "The dashboard Workers shows who is alive.",
                    ),
                    _rule(
                        "certificate",
                        "A certificate ends soon",
                        _loki(certificate),
                        ("lt", _CERTIFICATE_DAYS),
                        f"That of the API or one of the storage ends in less than {_CERTIFICATE_DAYS} days. "
                        "k3s makes new ones when it is restarted, one server at a time; "
                        "site.yml makes those of the storage.",
                    ),
                ],
            }
        ],
    }


def _rule(
    name: str,
    title: str,
    query: dict[str, Any],
    limit: tuple[Literal["gt", "lt"], float],
    description: str,
) -> dict[str, Any]:
    comparison, value = limit
    threshold = {
        "refId": "limit",
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {
            "refId": "limit",
            "type": "threshold",
            "expression": "query",
            "conditions": [{"evaluator": {"type": comparison, "params": [value]}}],
        },
    }
    return {
        "uid": f"data-miner-{name}",
        "title": title,
        "condition": "limit",
        "for": "5m",
        # Where nothing is measured any more, something is wrong too.
        "noDataState": "Alerting",
        "execErrState": "Error",
        "labels": {"application": "data-miner"},
        "annotations": {"summary": title, "description": description},
        "data": [query, threshold],
    }


def _loki(expression: str) -> dict[str, Any]:
    return _query(LOKI_UID, {"refId": "query", "expr": expression, "queryType": "instant"})


def _postgres(text: str) -> dict[str, Any]:
    sql = " ".join(text.split())
    return _query(POSTGRES_UID, {"refId": "query", "rawSql": sql, "rawQuery": True, "format": "table"})


def _query(source: str, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "refId": "query",
        "datasourceUid": source,
        "relativeTimeRange": {"from": _LOOK_BACK_S, "to": 0},
        "model": model,
    }
