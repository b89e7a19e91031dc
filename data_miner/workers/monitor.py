"""The monitor: seeds the project, takes back what lost workers held, sweeps up, and counts. One at a time."""

from __future__ import annotations

import logging
import os
import time

from psycopg.errors import ProgramLimitExceeded

from data_miner.config import AppConfig, Stage
from data_miner.db.connect import Connection, DatabaseAwayError
from data_miner.db.migrate import SchemaMissingError
from data_miner.db.page_role import make_page_role
from data_miner.db.projects import forget_lost_workers, project_videos, read_status, save_project
from data_miner.db.session import Session
from data_miner.mount import StorageAwayError
from data_miner.orphans import MIN_AGE_S, OrphanCollector
from data_miner.page.names import ROLE_PASSWORD
from data_miner.queue.items import State
from data_miner.queue.leases import enqueue, reap, unfinished
from data_miner.store import Store
from data_miner.workers import extract, follow_up, search
from data_miner.workers.heart import Heart
from data_miner.workers.process import Process
from data_miner.workers.surroundings import Surroundings

logger = logging.getLogger(__name__)

#: any number, the same in every monitor
MONITOR_LOCK = 7_236_002


def seed(connection: Connection, config: AppConfig) -> int:
    """Store a project and queue what its configuration asks for; returns the number of new items.

    Seeding again adds only what is new: another query, or frames cut with other parameters.
    """
    with connection.transaction():
        save_project(connection, config)
        items = search.items_for(config)
        if Stage.EXTRACT in config.stages:
            videos = project_videos(connection, config.project)
            items += [
                extract.item_for(config.project, sha256, path, config.extract) for sha256, path in videos
            ]
        return enqueue(connection, [*items, *follow_up.items_for(connection, config)])


def sweep(connection: Connection, store: Store) -> int:
    """Remove working files of finished items; returns of how many.

    Raises:
        StorageAwayError: the shared directory cannot be used now.
    """
    swept = 0
    store.check()
    with store.faults():
        for stage in Stage:
            ids = store.workspaces(stage)
            for stale in set(ids) - unfinished(connection, ids):
                store.remove_workspace(stage, stale)
                swept += 1
    return swept


class Monitor:
    """Keeps order until asked to stop. Any number may run; the one that holds the lock works.

    Args:
        process: its surroundings; the configuration's project is the one that is seeded.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.config = process.config
        self._session = Session(process.database_url, name=process.name)
        self._leading = False
        self._page_password = os.environ.get(ROLE_PASSWORD)
        self._seeded_at: float | None = None
        self._orphans = OrphanCollector(process.store)
        self._collected_at: float | None = None
        metrics = process.metrics
        metrics.declare("data_miner_items", "gauge", "Items by project, stage and state.")
        metrics.declare("data_miner_queue_depth", "gauge", "Items that are ready or leased, by stage.")
        metrics.declare("data_miner_videos", "gauge", "Videos by project.")
        metrics.declare("data_miner_frames", "gauge", "Frames by project.")
        metrics.declare("data_miner_video_bytes", "gauge", "Bytes of video by project.")
        metrics.declare("data_miner_workers", "gauge", "Workers alive, by stage.")

    def run(self) -> None:
        """Loop until asked to stop.

        Raises:
            SchemaError: the database's schema is newer than this program.
        """
        logger.info("Monitor started", extra={"action": "worker_started", "node": self.process.node})
        with Heart(self.process, stage="monitor"), Surroundings(self.process, whole_cluster=True):
            while not self.process.stop.is_set():
                pause_s = self.config.monitor.interval_s
                try:
                    self._session.call(self._turn)
                    self.process.pulse.lacks_nothing()
                except (
                    DatabaseAwayError,
                    SchemaMissingError,
                    StorageAwayError,
                    ProgramLimitExceeded,  # an address in the configuration that is too long for an index
                ) as error:
                    pause_s = self.process.pulse.lacks(str(error), longest_pause_s=pause_s)
                    logger.warning("Waiting", extra={"action": "waiting", "reason": str(error)})
                self.process.pause(pause_s)
        self._session.close()
        logger.info("Monitor stopped", extra={"action": "worker_stopped"})

    def _turn(self, connection: Connection) -> None:
        if not self._lead(connection):
            return
        self.process.pulse.begun = True  # what follows takes minutes where there is much to look through
        if self._page_password is not None:
            make_page_role(connection, self._page_password)
            self._page_password = None
        taken = reap(connection, max_attempts=self.config.queue.max_attempts)
        for item_id, state in taken.items():
            logger.warning(
                "Lease expired", extra={"action": "lease_expired", "item_id": item_id, "state": state.value}
            )
        self._count(connection)
        if self._seeded_at is None or time.monotonic() - self._seeded_at >= self.config.monitor.reseed_s:
            if added := seed(connection, self.config):
                logger.info(
                    "Project seeded",
                    extra={"action": "seeded", "project": self.config.project, "new_items": added},
                )
            self._seeded_at = time.monotonic()
            forget_lost_workers(connection)
            sweep(connection, self.process.store)
        if self._collected_at is None or time.monotonic() - self._collected_at >= MIN_AGE_S:
            if removed := self._orphans.collect(connection, tick=self.process.pulse.beat):
                logger.info("Orphans removed", extra={"action": "orphans_removed", "count": removed})
            if older := self._orphans.older:
                logger.warning(
                    "Files older than the database",
                    extra={
                        "action": "orphans_kept",
                        "count": older,
                        "reason": "nothing in the database speaks of them, and they are older than it is: "
                        "restore the backup that does, or remove them by hand",
                    },
                )
            self._collected_at = time.monotonic()

    def _lead(self, connection: Connection) -> bool:
        """Hold the lock that makes this the working monitor; it lives as long as the connection."""
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND objid = %(lock)s AND granted) OR pg_try_advisory_lock(%(lock)s) AS leading",
            {"lock": MONITOR_LOCK},
        ).fetchone()
        leading = bool(row and row["leading"])
        if leading != self._leading:
            message = "This monitor leads" if leading else "Another monitor leads"
            logger.info(message, extra={"action": "leading" if leading else "standing_by"})
            self._leading, self._seeded_at = leading, None
        return leading

    def _count(self, connection: Connection) -> None:
        status = read_status(connection, alive_s=3 * self.config.queue.heartbeat_s)
        metrics = self.process.metrics
        labels = ("project", "stage", "state")
        items = [({label: row[label] for label in labels}, row["items"]) for row in status.items]
        metrics.replace("data_miner_items", items)
        depth = dict.fromkeys((stage.value for stage in Stage), 0)
        for row in status.items:
            if row["state"] in {State.READY, State.LEASED}:
                depth[row["stage"]] += row["items"]
        metrics.replace("data_miner_queue_depth", [({"stage": stage}, n) for stage, n in depth.items()])
        for name, key in (("videos", "videos"), ("frames", "frames"), ("video_bytes", "bytes")):
            counts = [({"project": row["project"]}, row[key]) for row in status.projects]
            metrics.replace(f"data_miner_{name}", counts)
        alive: dict[str, int] = {}
        for row in status.workers:
            alive[row["stage"]] = alive.get(row["stage"], 0) + 1
        metrics.replace("data_miner_workers", [({"stage": stage}, n) for stage, n in alive.items()])
