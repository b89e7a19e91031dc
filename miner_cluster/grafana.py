"""What Grafana finds when it starts: data sources, dashboards, alert rules. Nothing is set up by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from miner_cluster.cluster import CHECKOUT

TEMPLATES = CHECKOUT / "templates" / "grafana"
DASHBOARDS = TEMPLATES / "dashboards"
ALERTS = TEMPLATES / "alerts.json"
#: by which dashboards and alert rules name the data sources
LOKI_UID, POSTGRES_UID = "loki", "postgres"
#: where the pod has the dashboards
DASHBOARDS_DIR = "/etc/grafana/dashboards"
#: a role of the database that can read everything and change nothing; Grafana's own init container makes it
READER = "grafana_reader"
#: the variable from which Grafana takes the reader's password
READER_PASSWORD = "GRAFANA_READER_PASSWORD"  # noqa: S105 - a name


def datasources(*, loki_url: str | None, postgres_address: str | None, database: str) -> dict[str, Any]:
    """Return the provisioning file of the data sources; one that the cluster has not is left out.

    Args:
        loki_url: of Loki.
        postgres_address: of the database, ``host:port``.
        database: its name.
    """
    sources = []
    if loki_url:
        sources.append(
            {
                "name": "Loki",
                "uid": LOKI_UID,
                "type": "loki",
                "access": "proxy",
                "url": loki_url,
                "isDefault": True,
                "editable": False,
                "jsonData": {"maxLines": 1000},
            }
        )
    if postgres_address:
        sources.append(
            {
                "name": "Postgres",
                "uid": POSTGRES_UID,
                "type": "postgres",
                "access": "proxy",
                "url": postgres_address,
                "user": READER,
                "database": database,
                "editable": False,
                # Grafana 10 reads the database above, later ones here.
                "jsonData": {"database": database, "sslmode": "disable", "maxOpenConns": 4},
                "secureJsonData": {"password": f"${{{READER_PASSWORD}}}"},
            }
        )
    return {"apiVersion": 1, "prune": True, "datasources": sources}


def dashboard_provider() -> dict[str, Any]:
    """Return the provisioning file that says where the dashboards are."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "data-miner",
                "folder": "data-miner",
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "options": {"path": DASHBOARDS_DIR},
            }
        ],
    }


def dashboards(directory: Path = DASHBOARDS) -> dict[str, str]:
    """Return the texts of all dashboards by file name."""
    return {path.name: path.read_text("utf-8") for path in sorted(directory.glob("*.json"))}
