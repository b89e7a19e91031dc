"""Whether the shared storage has room for another download."""

from __future__ import annotations

import logging
import time

from data_miner.capacity import Gate, problem, space
from data_miner.mount import StorageAwayError
from data_miner.workers.process import Process

logger = logging.getLogger(__name__)

#: SeaweedFS's mount itself looks only every 20 s
INTERVAL_S = 10.0


class Room:
    """Looks now and then, and tells when the answer changes.

    Args:
        process: whose store it is; a store on no shared mount has always room.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._gate = Gate(process.config.storage)
        self._looked_at: float | None = None
        process.metrics.declare(
            "data_miner_downloads_paused", "gauge", "1 while the shared storage is too full to download."
        )

    def enough(self) -> bool:
        """Return whether downloads may go on.

        Raises:
            StorageAwayError: the storage can't be looked at.
        """
        mount = self._process.store.mount
        if mount is None:
            return True
        now_s = time.monotonic()
        if self._looked_at is None or now_s - self._looked_at >= INTERVAL_S:
            self._looked_at = now_s
            try:
                used = space(mount).used_percent
            except OSError as error:
                raise StorageAwayError(f"{mount}: {error.strerror}") from error
            was = self._gate.closed
            if self._gate.look(used, now_s) is not was:
                self._tell(used)
            self._process.metrics.replace("data_miner_downloads_paused", [({}, float(self._gate.closed))])
        return not self._gate.closed

    def _tell(self, used_percent: float) -> None:
        extra = {"used_percent": round(used_percent, 1)}
        if self._gate.closed:
            reason = problem(used_percent, self._process.config.storage)
            logger.warning(
                "Downloads paused", extra={"action": "downloads_paused", "reason": reason, **extra}
            )
        else:
            logger.info("Downloads go on", extra={"action": "downloads_resumed", **extra})
