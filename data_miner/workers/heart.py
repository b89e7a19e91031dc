"""The heartbeat: a thread with its own connection that renews leases while the work moves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Self

from data_miner.db.connect import Connection, DatabaseAwayError
from data_miner.db.migrate import SchemaError
from data_miner.db.projects import forget_worker, report_worker
from data_miner.db.session import Session
from data_miner.queue.items import Item
from data_miner.queue.leases import extend
from data_miner.workers.process import Process

logger = logging.getLogger(__name__)


class Heart:
    """Beats from ``with`` to its end.

    Args:
        process: whose heart it is.
        stage: what is shown in status.
    """

    def __init__(self, process: Process, *, stage: str) -> None:
        self.process = process
        self.stage = stage
        self._session = Session(process.database_url, name=f"{process.name} heartbeat")
        self._lock = threading.Lock()
        self._items: list[Item] = []
        self._lost: set[int] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Start to beat."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and sign off."""
        self._end.set()
        self._thread.join(self.process.config.queue.heartbeat_s)

    def hold(self, items: Sequence[Item]) -> None:
        """Renew the leases of these items, claimed together, and of no others."""
        with self._lock:
            self._items, self._lost = list(items), set()

    def lost(self, item: Item) -> bool:
        """Whether the item's lease ran out."""
        return item.id in self._lost

    def _run(self) -> None:
        while True:
            try:
                self._session.call(self._beat)
            except (DatabaseAwayError, SchemaError) as error:
                logger.warning("Heartbeat missed", extra={"action": "heartbeat_missed", "reason": str(error)})
            if self._end.wait(self.process.config.queue.heartbeat_s):
                break
        try:
            self._session.call(lambda connection: forget_worker(connection, self.process.name))
        except (DatabaseAwayError, SchemaError):
            logger.debug("Not signed off: the database is away")
        self._session.close()

    def _beat(self, connection: Connection) -> None:
        if not self.process.pulse.alive:
            logger.error(
                "Work is stuck, its lease is not renewed",
                extra={"action": "stalled", "stalled_s": round(self.process.pulse.age_s)},
            )
            return
        with self._lock:
            items = list(self._items)
        if items:
            kept = extend(connection, items, lease_s=self.process.config.queue.lease_s)
            with self._lock:
                if items == self._items:
                    self._lost |= {item.id for item in items} - kept
        report_worker(
            connection,
            name=self.process.name,
            stage=self.stage,
            node=self.process.node,
            item_id=items[0].id if items else None,
        )
