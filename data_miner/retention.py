"""Removing a project, or old frames that are in no dataset. Planned first, so that a dry run can tell.

What the database knows of a project goes first: a file that is left then, by an interruption or since another
project may be taking it over at this moment, is an orphan, which the monitor removes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from data_miner.config import AppConfig
from data_miner.dataset.scope import Scope, scope_of
from data_miner.db import retention as db
from data_miner.db.connect import Connection
from data_miner.db.dataset import read_frames
from data_miner.db.projects import project_names
from data_miner.db.retention import Frameset
from data_miner.errors import MinerError
from data_miner.frames import frame_path, frame_times
from data_miner.orphans import MIN_AGE_S, remove_unless_taken, time_of
from data_miner.queue.pauses import pause
from data_miner.store import MANIFEST, Store

_POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What would be removed."""

    #: files and directories
    paths: list[Path] = field(default_factory=list)
    files: int = 0
    bytes: int = 0


def plan_deletion(connection: Connection, store: Store, project: str) -> Removal:
    """Return the files that only this project has."""
    videos = db.own_videos(connection, project).values()
    framesets = db.own_framesets(connection, project)
    return _removal([*(store.root / path for path in videos), *_directories(store, framesets)])


def delete_project(connection: Connection, store: Store, project: str, *, wait_s: float) -> Removal:
    """Remove a project with its results, and the files that no other project has.

    Files that another project may be taking over are left to the monitor, which removes them if it does not.

    Args:
        connection: in autocommit mode.
        store: where the files lie.
        project: by name.
        wait_s: how long to wait for workers to finish what they work on; nothing new is begun meanwhile.

    Raises:
        MinerError: they still work on something; the project stays, paused.
        StorageAwayError: the shared directory cannot be used now.
    """
    store.check()
    pause(connection, project)
    deadline = time.monotonic() + wait_s
    while leased := db.item_counts(connection, project)[1]:
        if time.monotonic() >= deadline:
            raise MinerError(
                f"project {project}: workers still work on {leased} items; it is paused now, "
                "so try again when they are done, or wait for longer with --wait-s"
            )
        time.sleep(_POLL_S)
    videos = db.own_videos(connection, project)
    removal = plan_deletion(connection, store, project)
    certain = [path for path in removal.paths if _is_ours_alone(connection, path)]
    times = {path: time_of(path) for path in certain}
    removal = _removal(certain)
    db.delete_project(connection, project, list(videos))
    with store.faults():
        for path, time_ns in times.items():
            if time_ns is not None:
                remove_unless_taken(store, path, time_ns)
    return removal


def plan_pruning(connection: Connection, store: Store, config: AppConfig, *, days: float) -> Removal:
    """Return the frames that were cut more than ``days`` ago and that the dataset does without."""
    scope = scope_of(config)
    kept = _kept(connection, scope)
    framesets = db.old_framesets(connection, config.project, days=days)
    return _removal(path for frameset in framesets for path in _prunable(store, frameset, scope, kept))


def prune(connection: Connection, store: Store, config: AppConfig, *, days: float) -> Removal:
    """Remove them. Results stay, but other parameters of later stages leave these frames out.

    Raises:
        StorageAwayError: the shared directory cannot be used now.
    """
    store.check()
    scope = scope_of(config)
    kept = _kept(connection, scope)
    removals = []
    for frameset in db.old_framesets(connection, config.project, days=days):
        paths = list(_prunable(store, frameset, scope, kept))
        removal = _removal(paths)
        if paths and _prune(connection, store, config, frameset, paths):
            removals.append(removal)
    return Removal(
        paths=[path for removal in removals for path in removal.paths],
        files=sum(removal.files for removal in removals),
        bytes=sum(removal.bytes for removal in removals),
    )


def _prune(
    connection: Connection, store: Store, config: AppConfig, frameset: Frameset, paths: Sequence[Path]
) -> bool:
    """Remove frames, unless another project may be taking their directory over; tells whether.

    Without what comes first, whoever looks from then on finds the directory incomplete. That it goes is noted
    before: no stage may ask for frames that are gone already.
    """
    first, *others = paths
    time_ns = time_of(first)
    if not _is_ours_alone(connection, store.frames_path(frameset.video, frameset.params_hash)):
        return False
    db.note_pruned(connection, config.project, frameset)
    with store.faults():
        if time_ns is not None and not remove_unless_taken(store, first, time_ns):
            db.note_unpruned(connection, config.project, frameset)
            return False
        _remove(others)
    return True


def _is_ours_alone(connection: Connection, path: Path) -> bool:
    """Tell whether no other project can be taking a file over at this moment, before it says so."""
    time_ns = time_of(path)
    others = len(project_names(connection)) > 1
    return time_ns is not None and (not others or time.time() - time_ns / 1e9 > MIN_AGE_S)


def _kept(connection: Connection, scope: Scope) -> dict[str, list[int] | None]:
    return {frames.video: frames.times_ms for frames in read_frames(connection, scope)}


def _prunable(
    store: Store, frameset: Frameset, scope: Scope, kept: dict[str, list[int] | None]
) -> Iterator[Path]:
    """Yield what can go of a directory: the manifest first, without which nobody takes it for complete.

    Embeddings stay, which are small: new videos are compared with all frames that passed the filter.
    """
    directory = store.frames_path(frameset.video, frameset.params_hash)
    if not directory.is_dir():
        return
    times = kept.get(frameset.video, []) if frameset.params_hash == scope.frames_hash else []
    if times is None:
        return
    wanted = set(times)
    gone = [time_ms for time_ms in frame_times(directory) if time_ms not in wanted]
    if not gone:
        return
    if not times:
        yield directory
        return
    yield directory / MANIFEST
    yield from (frame_path(directory, time_ms) for time_ms in gone)


def _directories(store: Store, framesets: Iterable[Frameset]) -> Iterator[Path]:
    for frameset in framesets:
        yield store.frames_path(frameset.video, frameset.params_hash)
        yield store.embeddings_path(frameset.video, frameset.params_hash, "any").parent


def _removal(paths: Iterable[Path]) -> Removal:
    present = [path for path in paths if path.exists()]
    files = [file for path in present for file in (path.rglob("*") if path.is_dir() else [path])]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    return Removal(paths=present, files=len(sizes), bytes=sum(sizes))


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for parent in {path.parent for path in paths}:
        with suppress(OSError):  # not empty: others have files there too
            parent.rmdir()
