"""Write the dashboards and the alert rules to templates/grafana."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard

from miner_cluster.dashboards import alerts, errors, pipeline, storage, workers
from miner_cluster.dashboards.parts import to_plain
from miner_cluster.grafana import ALERTS, DASHBOARDS

BOARDS: dict[str, Callable[[], Dashboard]] = {
    "pipeline": pipeline.dashboard,
    "errors": errors.dashboard,
    "workers": workers.dashboard,
    "storage": storage.dashboard,
}


def texts() -> dict[Path, str]:
    """Return the text of each file."""
    boards = {DASHBOARDS / f"{name}.json": _text(to_plain(make())) for name, make in BOARDS.items()}
    return boards | {ALERTS: _text(alerts.rules())}


def _text(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, "utf-8")
