"""Files in the store that nothing in the database speaks of, and their removal.

A worker that ends between storing a file and saying so leaves one. Usually the item's next attempt takes it
over; where the item is given up, or its site sends other bytes by then, it would lie there for ever.

Taking over and removing exclude each other: who takes a file over gives it a new time, and a file is moved
aside before it is looked at for the last time. Clocks don't matter there: times are only compared with
themselves.

A file that is older than the database stays: what stored it may have told another one, which was lost, or of
which this one is an earlier state. With the right backup restored it is known again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg.errors import InsufficientPrivilege

from data_miner.db.connect import Connection
from data_miner.db.queries import queries
from data_miner.store import Store
from data_miner.threads import batches

#: how long a file is seen unknown before it goes; no worker takes longer between storing and saying so
MIN_AGE_S = 1500.0
#: by how much the clocks of machines may differ
CLOCKS_S = 60.0
_BATCH = 1000
_SQL = queries("results")


@dataclass(frozen=True)
class _Sighting:
    #: of the file
    time_ns: int
    #: by a clock that nobody can set
    first_s: float


class OrphanCollector:
    """Remembers what it saw, and removes what is still there and still unknown later.

    Args:
        store: where to look.
        min_age_s: how much later.
        clocks_s: a file is older than the database unless it is younger by more than this.

    Attributes:
        older: how many files and directories stayed in the last look only because they are older.
    """

    def __init__(self, store: Store, *, min_age_s: float = MIN_AGE_S, clocks_s: float = CLOCKS_S) -> None:
        self.older = 0
        self._store = store
        self._min_age_s = min_age_s
        self._clocks_s = clocks_s
        self._seen: dict[Path, _Sighting] = {}

    def collect(self, connection: Connection, *, tick: Callable[[], None]) -> int:
        """Look through the store; returns how many files and directories were removed.

        Args:
            connection: in autocommit mode.
            tick: called now and then.

        Raises:
            StorageAwayError: the shared directory cannot be used now.
        """
        self._store.check()
        unknown: dict[Path, _Sighting] = {}
        removed, self.older = 0, 0
        made_s = _made_s(connection)
        with self._store.faults():
            shutil.rmtree(_aside(self._store), ignore_errors=True)
            for path in self._unknown(connection, tick):
                sighting = self._sighting(path)
                if sighting is None:
                    continue
                if made_s is None or sighting.time_ns <= (made_s + self._clocks_s) * 1e9:
                    self.older += 1
                    continue
                again = sighting is self._seen.get(path)
                if again and time.monotonic() - sighting.first_s >= self._min_age_s:
                    removed += remove_unless_taken(self._store, path, sighting.time_ns)
                else:
                    unknown[path] = sighting
        self._seen = unknown
        return removed

    def _unknown(self, connection: Connection, tick: Callable[[], None]) -> Iterator[Path]:
        for videos in batches(_entries(self._store.root / "videos", depth=2), _BATCH):
            tick()
            known = _known(connection, "known_videos", [path.stem for path in videos])
            yield from (path for path in videos if (path.stem,) not in known)
        for folder in ("frames", "embeddings"):
            for directories in batches(_entries(self._store.root / folder, depth=2), _BATCH):
                tick()
                names = [path.parent.name for path in directories], [path.name for path in directories]
                known = _known(connection, "known_framesets", *names)
                yield from (path for path in directories if (path.parent.name, path.name) not in known)

    def _sighting(self, path: Path) -> _Sighting | None:
        """Return when a file was first seen as it is now."""
        time_ns = time_of(path)
        if time_ns is None:
            return None
        before = self._seen.get(path)
        if before is not None and before.time_ns == time_ns:
            return before
        return _Sighting(time_ns, time.monotonic())


def remove_unless_taken(store: Store, path: Path, time_ns: int) -> bool:
    """Remove a file or directory, unless somebody took it over since it had this time; tells whether."""
    aside = _aside(store) / path.relative_to(store.root)
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    if time_of(aside) != time_ns:
        with suppress(OSError):  # where there is another one by now, this one goes
            aside.rename(path)
            return False
    shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
    with suppress(OSError):  # others lie beside it
        path.parent.rmdir()
    return True


def _made_s(connection: Connection) -> float | None:
    """Return when the database was made or restored; None where we may not know."""
    try:
        row = connection.execute(_SQL["database_made"]).fetchone()
    except InsufficientPrivilege:
        return None
    return None if row is None or row["made_s"] is None else float(row["made_s"])


def _aside(store: Store) -> Path:
    return store.root / "tmp" / "orphans"


def _known(connection: Connection, query: str, *columns: list[str]) -> set[tuple[str, ...]]:
    values = {f"column_{number}": column for number, column in enumerate(columns)}
    return {tuple(row.values()) for row in connection.execute(_SQL[query], values).fetchall()}


def _entries(directory: Path, *, depth: int) -> Iterator[Path]:
    """Yield what lies so many directories deep."""
    if not depth:
        yield directory
    elif directory.is_dir():
        for entry in directory.iterdir():
            yield from _entries(entry, depth=depth - 1)


def time_of(path: Path) -> int | None:
    """Return when a file was stored or taken over last, in nanoseconds; None where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
