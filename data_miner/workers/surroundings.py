"""What alerts need to know and the database does not: free disk space, and when certificates end.

Each process logs its node's disk once a minute; the monitor also the shared storage and the certificates of
the cluster's API and of the storage. Logs are where the dashboards look, so no other store of measurements is
needed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from data_miner.capacity import Space, problem, space, warning
from data_miner.certificate import CertificateError, first_end, not_after
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
        metrics = process.metrics
        metrics.declare("data_miner_node_disk_bytes", "gauge", "Size and free space of this node's disk.")
        metrics.declare("data_miner_shared_disk_bytes", "gauge", "Size and free space of the shared storage.")
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
            self._show("node", log_disk("node", NODE_DISK, node=self._process.node))
            if self._whole_cluster:
                self._measure_cluster()
            if self._end.wait(self._interval_s):
                return

    def _show(self, disk: str, found: Space | None) -> None:
        """Let /metrics show a disk; one that can't be looked at disappears from it."""
        sizes = (("size", found.size_bytes), ("free", found.free_bytes)) if found else ()
        labels = {"node": self._process.node} if disk == "node" else {}
        self._process.metrics.replace(
            f"data_miner_{disk}_disk_bytes", [(labels | {"what": what}, value) for what, value in sizes]
        )

    def _measure_cluster(self) -> None:
        store = self._process.store
        try:
            store.check()
        except StorageAwayError as error:
            logger.warning(
                "Storage not measured", extra={"action": "storage_not_measured", "reason": str(error)}
            )
        else:
            found = log_disk("shared", store.mount or store.root, node="")
            self._show("shared", found)
            limits = self._process.config.storage
            used = found.used_percent if found else 0.0
            if said := problem(used, limits) or warning(used, limits):
                logger.warning("Storage fills up", extra={"action": "storage_fills_up", "reason": said})
        if host := os.environ.get("KUBERNETES_SERVICE_HOST"):
            port = int(os.environ.get("KUBERNETES_SERVICE_PORT", "443"))
            log_certificate("api", lambda: not_after(host, port, timeout_s=_TIMEOUT_S))
        if directory := os.environ.get("DATA_MINER_STORAGE_CERTIFICATES"):
            log_certificate("storage", lambda: first_end(_texts(Path(directory))))


def log_disk(disk: str, path: Path, *, node: str) -> Space | None:
    """Log how much of a disk is free, and return it; None where it can't be looked at.

    Args:
        disk: what it is called, ``node`` or ``shared``.
        path: anywhere on it.
        node: the machine that it belongs to; empty where it belongs to all.
    """
    try:
        found = space(path)
    except OSError as error:
        reason = f"{path}: {error.strerror}"
        logger.warning("Storage not measured", extra={"action": "storage_not_measured", "reason": reason})
        return None
    logger.info(
        "Disk measured",
        extra={
            "action": "disk_measured",
            "disk": disk,
            "node": node,
            "size_bytes": found.size_bytes,
            "free_bytes": found.free_bytes,
            "free_percent": round(100 - found.used_percent, 1) if found.size_bytes else 0.0,
        },
    )
    return found


def log_certificate(name: str, end: Callable[[], datetime]) -> None:
    """Log for how many days a certificate is still valid.

    Args:
        name: what it is of, ``api`` or ``storage``.
        end: says when it ends, or raises CertificateError.
    """
    try:
        left = end() - datetime.now(UTC)
    except CertificateError as error:
        reason = str(error)
        logger.warning(
            "Certificate not measured",
            extra={"action": "certificate_not_measured", "certificate": name, "reason": reason},
        )
        return
    days_left = round(left.total_seconds() / _DAY_S, 1)
    logger.info(
        "Certificate measured",
        extra={"action": "certificate_measured", "certificate": name, "days_left": days_left},
    )


def _texts(directory: Path) -> list[str]:
    try:
        return [file.read_text("ascii") for file in sorted(directory.glob("*.crt"))]
    except (OSError, ValueError) as error:
        raise CertificateError(f"{directory}: {error}") from error
