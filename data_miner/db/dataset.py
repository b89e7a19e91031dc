"""Reading what a project's dataset consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from data_miner.config.model import Stage
from data_miner.dataset.scope import Scope
from data_miner.db.connect import Connection
from data_miner.db.queries import queries
from data_miner.logins import without_login

_SQL = queries("dataset")
_ORDER = list(Stage)

#: a frame: the video's sha256, and milliseconds from its start
Frame = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class VideoFrames:
    """The frames of one video that belong to the dataset."""

    video: str
    #: of their directory, relative to the output directory
    path: str
    #: how many there are
    frames: int
    #: in pixels
    width: int
    height: int
    #: None for all that the directory holds
    times_ms: list[int] | None


@dataclass(frozen=True, kw_only=True)
class ObjectBox:
    """An object in a frame of the dataset."""

    label: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a video was found."""

    url: str
    #: what the site said
    metadata: dict[str, Any]


def read_frames(connection: Connection, scope: Scope) -> list[VideoFrames]:
    """Return what the last selected stage leaves: all frames, those that passed, or those that are kept."""
    query = "kept"
    if _ORDER.index(scope.last) < _ORDER.index(Stage.DEDUP):
        query = "passed" if scope.last is Stage.FILTER else "cut"
    rows = connection.execute(_SQL[query], asdict(scope)).fetchall()
    return [VideoFrames(**{"times_ms": None, **row}) for row in rows]


def read_origins(
    connection: Connection, scope: Scope, videos: Sequence[str] | None = None
) -> dict[str, list[Origin]]:
    """Return where each video was found, the first find first; of these videos, or of all."""
    origins: dict[str, list[Origin]] = {}
    for row in connection.execute(_SQL["origins"], _of(scope, videos)).fetchall():
        origins.setdefault(row["video"], []).append(
            Origin(url=without_login(row["url"]), metadata=row["metadata"])
        )
    return origins


def read_frame_scores(
    connection: Connection, scope: Scope, videos: Sequence[str] | None = None
) -> dict[Frame, dict[str, float]]:
    """Return the filter's raw score of each prompt, also for frames that did not pass."""
    scores: dict[Frame, dict[str, float]] = {}
    for row in connection.execute(_SQL["scores"], _of(scope, videos)).fetchall():
        for time_ms, values in zip(row["times_ms"], row["scores"], strict=True):
            scores[row["video"], time_ms] = dict(zip(row["prompts"], values, strict=True))
    return scores


def read_objects(
    connection: Connection, scope: Scope, videos: Sequence[str] | None = None
) -> dict[Frame, list[ObjectBox]]:
    """Return the objects in each frame, the most certain first."""
    objects: dict[Frame, list[ObjectBox]] = {}
    for row in connection.execute(_SQL["objects"], _of(scope, videos)).fetchall():
        frame = row.pop("video"), row.pop("time_ms")
        objects.setdefault(frame, []).append(ObjectBox(**row))
    return objects


def read_duplicates(connection: Connection, scope: Scope) -> dict[Frame, list[Frame]]:
    """Return for each keeper the frames of other videos that it stands for."""
    groups: dict[Frame, list[Frame]] = {}
    for row in connection.execute(_SQL["duplicates"], asdict(scope)).fetchall():
        keeper = row["keeper_video"], row["keeper_ms"]
        groups.setdefault(keeper, []).append((row["video"], row["time_ms"]))
    return groups


def _of(scope: Scope, videos: Sequence[str] | None) -> Mapping[str, Any]:
    return {**asdict(scope), "videos": None if videos is None else list(videos)}
