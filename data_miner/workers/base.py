"""The loop that all stages share: claim, work, and settle what came of it.

It outlives its surroundings: while the database or the shared directory is away it pauses and tries again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from data_miner.config import AppConfig, Stage
from data_miner.db.connect import Connection, DatabaseAwayError
from data_miner.db.migrate import SchemaMissingError
from data_miner.db.projects import project_config
from data_miner.db.session import Session
from data_miner.errors import BrokenProcessError, MinerError, NotReadyError, SiteBlockedError
from data_miner.queue import leases
from data_miner.queue.items import Item, Outcome
from data_miner.queue.records import StaleError
from data_miner.workers.findings import StoredFindings
from data_miner.workers.heart import Heart
from data_miner.workers.job import Job, StageFunction, StopWorkError
from data_miner.workers.made import Made, due
from data_miner.workers.process import Process
from data_miner.workers.room import Room
from data_miner.workers.surroundings import Surroundings
from data_miner.workers.verdict import in_words, verdict

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: an item that can't be worked on now, such as one whose file is on a machine that is away, lets others come
#: first for so many pauses
_TURNS = 10

#: a result that is out of date this often in a row had better wait
_MOST_AGAIN = 50


class Worker:
    """Works on the items of one or more stages, the first stage first, until asked to stop.

    Args:
        process: its surroundings.
        name: of the kind of worker.
        stages: each with its function.
    """

    def __init__(self, process: Process, name: str, stages: Sequence[tuple[Stage, StageFunction]]) -> None:
        self.process = process
        self.stages = stages
        self.config = process.config
        self._session = Session(process.database_url, name=process.name)
        self._heart = Heart(process, stage=name)
        self._room = Room(process)
        self._projects: dict[str, tuple[str, AppConfig]] = {}
        self._memory: dict[str, Any] = {}
        self._made: list[Made] = []
        metrics = process.metrics
        metrics.declare("data_miner_processed_total", "counter", "Items that this worker settled.")
        metrics.declare("data_miner_errors_total", "counter", "Errors, by what they mean.")
        metrics.declare("data_miner_bytes_total", "counter", "Bytes moved by this worker's stages.")

    def run(self) -> None:
        """Loop until asked to stop.

        Raises:
            SchemaError: the database's schema is newer than this program.
            BrokenProcessError: a new process has to go on.
        """
        logger.info("Worker started", extra={"action": "worker_started", "node": self.process.node})
        with closing(self._session), self._heart, Surroundings(self.process):
            while not self.process.stop.is_set():
                try:
                    self._turn()
                except (DatabaseAwayError, NotReadyError, SchemaMissingError) as error:
                    self._wait(error)
        logger.info("Worker stopped", extra={"action": "worker_stopped"})

    def _turn(self) -> None:
        """Claim and work on one batch, or wait a moment if there is none."""
        self.process.pulse.beat()
        self.process.store.check()
        queue = self.config.queue
        for stage, function in self.stages:
            if stage is Stage.DOWNLOAD and not self._room.enough():
                continue
            items = self._session.call(
                lambda connection, stage=stage: leases.claim(  # type: ignore[misc]
                    connection,
                    stage,
                    worker=self.process.name,
                    node=self.process.node,
                    limit=queue.batch_size,
                    lease_s=queue.lease_s,
                )
            )
            self.process.pulse.lacks_nothing()
            if items:
                self._work(self._separate(items), function)
                return
        self.process.pulse.lacks_nothing()
        self._session.call(lambda connection: leases.reap(connection, max_attempts=queue.max_attempts))
        self.process.pause(queue.poll_s)

    def _separate(self, items: list[Item]) -> list[Item]:
        """Give back all but one if one was tried before: so that it takes no attempt from others."""
        tried = next((item for item in items if item.attempts > 1), None)
        if tried is None:
            return items
        if others := [item for item in items if item is not tried]:
            self._session.call(lambda connection: leases.release(connection, others))
        return [tried]

    def _work(self, items: list[Item], function: StageFunction) -> None:
        self._heart.hold(items)
        try:
            while items and not self.process.stop.is_set():
                refused = self._one(items[0], function)
                items.pop(0)
                if not items or due(self._made):
                    self._acknowledge()
                if others := [item for item in items if refused is not None and item.site == refused]:
                    items = [item for item in items if item.site != refused]
                    self._settle(lambda connection, others=others: leases.release(connection, others))  # type: ignore[misc]
                self._heart.hold([*items, *(made.item for made in self._made)])
        finally:
            try:
                self._acknowledge()
            finally:
                self._heart.hold([])
                if items:
                    self._session.call(lambda connection: leases.release(connection, items))

    def _one(self, item: Item, function: StageFunction, again: int = 0) -> str | None:
        """Work on one item; settle it, or keep its result for the next acknowledgement.

        Returns:
            The site that refuses us, if one does.

        Raises:
            DatabaseAwayError, NotReadyError: its surroundings did not let us work on the item.
            BrokenProcessError: no item can be worked on any more.
        """
        started = time.monotonic()
        extra: dict[str, object] = {
            "stage": item.stage.value,
            "item_id": item.id,
            "key": item.key,
            "attempt": item.attempts,
        }
        logger.info("Item started", extra={"action": "item_started", **extra})
        try:
            outcome = self._attempt(item, function)
        except StopWorkError as stop:
            reason = str(stop)
            logger.info("Item given back", extra={"action": "item_released", "reason": reason, **extra})
            self._settle(lambda connection: leases.release(connection, [item], reason))
            return None
        except NotReadyError as error:
            reason, delay_s = in_words(error), _TURNS * self.config.worker.pause_s
            self._settle(lambda connection: leases.release(connection, [item], reason, delay_s=delay_s))
            raise
        except BrokenProcessError as error:
            if error.by_item:
                self._failed(item, error, extra)
            else:
                reason = in_words(error)
                self._settle(lambda connection: leases.release(connection, [item], reason))
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises must not end the worker
            self._failed(item, error, extra)
            return error.site if isinstance(error, SiteBlockedError) else None
        elapsed_s = round(time.monotonic() - started, 3)
        self._made.append(
            Made(item=item, outcome=outcome, function=function, again=again, elapsed_s=elapsed_s, extra=extra)
        )
        return None

    def _acknowledge(self) -> None:
        """Commit the results that were kept, together; if the database does not take them so, one by one."""
        while self._made:
            made, self._made = self._made, []
            if not self._committed(made):
                for one in made:
                    self._committed([one])

    def _committed(self, made: Sequence[Made]) -> bool:
        """Commit results; says no if there are several and the database does not take one of them."""
        try:
            finished = self._settle(lambda connection: self._complete(connection, made))
        except (StaleError, psycopg.Error, ValueError) as error:  # the last two: it takes no such value
            if len(made) > 1:
                return False
            self._not_taken(made[0], error)
            return True
        for one in made:
            if finished is None or one.item.id not in finished:
                logger.warning(
                    "Result refused: the lease ran out", extra={"action": "lease_lost", **one.extra}
                )
                continue
            self.process.store.remove_workspace(one.item.stage, one.item.id)
            state = one.outcome.state.value
            self._count(one.item, state)
            logger.info(
                "Item finished",
                extra={"action": "item_finished", "state": state, "elapsed_s": one.elapsed_s, **one.extra},
            )
        return True

    def _not_taken(self, made: Made, error: Exception) -> None:
        if isinstance(error, StaleError) and made.again < _MOST_AGAIN:
            logger.info("Result out of date: again", extra={"action": "item_stale", **made.extra})
            self._one(made.item, made.function, made.again + 1)
        else:
            self._failed(made.item, error, made.extra)

    def _attempt(self, item: Item, function: StageFunction) -> Outcome:
        """Run the stage's function.

        Raises:
            DatabaseAwayError: the project's configuration cannot be read.
        """
        config = self._session.call(lambda connection: self._project(connection, item))
        store = self.process.store

        def tick(moved_bytes: int = 0) -> None:
            self.process.pulse.beat()
            if moved_bytes:
                self.process.metrics.add("data_miner_bytes_total", moved_bytes, stage=item.stage.value)
            if self._heart.lost(item):
                raise StopWorkError("the lease ran out")
            if self.process.grace_is_over:
                raise StopWorkError("shutting down")
            if due(self._made):
                self._acknowledge()

        def workspace() -> Path:
            return store.workspace(item.stage, item.id, item.lease_token)

        with store.faults():
            return function(
                Job(
                    item=item,
                    config=config,
                    store=store,
                    workspace=workspace,
                    tick=tick,
                    models=self.process.models,
                    findings=StoredFindings(self._session, item.project),
                    memory=self._memory,
                )
            )

    def _complete(self, connection: Connection, made: Sequence[Made]) -> set[int]:
        finished = leases.complete(connection, [(one.item, one.outcome) for one in made])
        for site in sorted({one.item.site for one in made if one.item.site is not None}):
            leases.unblock_site(connection, site)
        return finished

    def _failed(self, item: Item, error: Exception, extra: dict[str, object]) -> None:
        """Decide by the error what becomes of the item.

        Raises:
            DatabaseAwayError: the error is that the database went away.
        """
        if isinstance(error, DatabaseAwayError):
            raise error
        text = in_words(error)
        kind, operation = verdict(item, error, text, config=self.config)
        known = isinstance(error, MinerError)
        logger.log(
            logging.WARNING if known else logging.ERROR,
            "Item failed",
            exc_info=None if known else error,
            extra={"action": "item_failed", "kind": kind, "reason": text, **extra},
        )
        self.process.metrics.add("data_miner_errors_total", stage=item.stage.value, kind=kind)
        try:
            state = self._settle(operation)
        except leases.LeaseLostError:
            logger.warning("Failure not noted: the lease ran out", extra={"action": "lease_lost", **extra})
            return
        if state is not None:
            self._count(item, state.value)

    def _settle(self, operation: Callable[[Connection], T]) -> T | None:
        """Run an operation, again and again while the database is away; None if asked to stop meanwhile."""
        while True:
            try:
                return self._session.call(operation)
            except (DatabaseAwayError, SchemaMissingError) as error:
                if self.process.grace_is_over:
                    return None
                self._wait(error)

    def _project(self, connection: Connection, item: Item) -> AppConfig:
        known = self._projects.get(item.project)
        if known is None or known[0] != item.config_hash:
            known = (item.config_hash, project_config(connection, item.project))
            self._projects[item.project] = known
        return known[1]

    def _wait(self, error: MinerError) -> None:
        kind = type(error).__name__.removesuffix("Error")
        logger.warning("Waiting", extra={"action": "waiting", "kind": kind, "reason": str(error)})
        self.process.metrics.add("data_miner_errors_total", stage="", kind=kind)
        self.process.pause(self.process.pulse.lacks(str(error), longest_pause_s=self.config.worker.pause_s))

    def _count(self, item: Item, state: str) -> None:
        self.process.metrics.add("data_miner_processed_total", stage=item.stage.value, state=state)
