"""What alerts need to know and the database does not: free disk space, and when the certificate ends.

Each process logs its node's disk once a minute; the monitor also the shared storage and the certificate of
the cluster's API. Logs are where the dashboards look, so no other store of measurements is needed.
"""

from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from data_miner.certificate import CertificateError, not_after
from data_miner.mount import StorageAwayError
from data_miner.workers.process import Process

logger = logging.getLogger(__name__)
# Alerts count on these lines, whatever level the others are logged at.
logger.setLevel(logging.INFO)

INTERVAL_S = 60.0
_TIMEOUT_S = 10.0
_DAY_S = 86_400
#: in a container, the disk on which its node keeps images and containers
NODE_DISK = Path("/")


class Surroundings:
    """Measures from ``with`` to its end, in a thread of its own: a dead mount may hold it up for long.

    Args:
        process: whose surroundings.
        whole_cluster: also measure what is the same everywhere.
        interval_s: between two measurements.
    """

    def __init__(
        self, process: Process, *, whole_cluster: bool = False, interval_s: float = INTERVAL_S
    ) -> None:
        self._process = process
        self._whole_cluster = whole_cluster
        self._interval_s = interval_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="surroundings", daemon=True)

    def __enter__(self) -> Self:
        """Start to measure."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; a measurement that is held up ends with the process."""
        self._end.set()

    def _run(self) -> None:
        while True:
            log_disk("node", NODE_DISK, node=self._process.node)
            if self._whole_cluster:
                self._measure_cluster()
            if self._end.wait(self._interval_s):
                return

    def _measure_cluster(self) -> None:
        store = self._process.store
        try:
            store.check()
        except StorageAwayError as error:
            logger.warning(
                "Storage not measured", extra={"action": "storage_not_measured", "reason": str(error)}
            )
        else:
            log_disk("shared", store.mount or store.root, node="")
        if host := os.environ.get("KUBERNETES_SERVICE_HOST"):
            log_certificate(host, int(os.environ.get("KUBERNETES_SERVICE_PORT", "443")))


def log_disk(disk: str, path: Path, *, node: str) -> None:
    """Log how much of a disk is free.

    Args:
        disk: what it is called, ``node`` or ``shared``.
        path: anywhere on it.
        node: the machine that it belongs to; empty where it belongs to all.
    """
    try:
        found = os.statvfs(path)
    except OSError as error:
        reason = f"{path}: {error.strerror}"
        logger.warning("Storage not measured", extra={"action": "storage_not_measured", "reason": reason})
        return
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    logger.info(
        "Disk measured",
        extra={
            "action": "disk_measured",
            "disk": disk,
            "node": node,
            "size_bytes": size,
            "free_bytes": free,
            "free_percent": round(100 * free / size, 1) if size else 0.0,
        },
    )


def log_certificate(host: str, port: int) -> None:
    """Log for how many days the certificate of the cluster's API is still valid."""
    try:
        left = not_after(host, port, timeout_s=_TIMEOUT_S) - datetime.now(UTC)
    except CertificateError as error:
        logger.warning(
            "Certificate not measured", extra={"action": "certificate_not_measured", "reason": str(error)}
        )
        return
    logger.info(
        "Certificate measured",
        extra={"action": "certificate_measured", "days_left": round(left.total_seconds() / _DAY_S, 1)},
    )
