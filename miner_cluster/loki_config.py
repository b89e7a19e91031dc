"""Loki's configuration: one process, files on a disk, logs removed after two weeks."""

from __future__ import annotations

from typing import Any

#: whole days, as the index has a table for each
RETENTION = "336h"
#: where the image's user may write
_DATA = "/loki"


def loki_config(port: int) -> dict[str, Any]:
    """Return the content of Loki's file.

    It runs with Loki 3.7. Each key was compared with the documentation of 2.9 and means the same there,
    but it was never run with 2.9.
    """
    return {
        "auth_enabled": False,
        "server": {"http_listen_port": port, "log_level": "warn"},
        "common": {
            # The only member of its ring reaches itself whatever address the pod gets.
            "instance_addr": "127.0.0.1",
            "path_prefix": _DATA,
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {
                "filesystem": {"chunks_directory": f"{_DATA}/chunks", "rules_directory": f"{_DATA}/rules"}
            },
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2024-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        # Retention works only through the compactor; 3.x wants to be told where it keeps its requests.
        "compactor": {"retention_enabled": True, "delete_request_store": "filesystem"},
        "limits_config": {"retention_period": RETENTION},
        "analytics": {"reporting_enabled": False},
    }
