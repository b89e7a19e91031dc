"""A project's dataset as it is now: frames with boxes, scores and provenance, read in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from data_miner.config import AppConfig, to_plain
from data_miner.dataset.scope import Scope, scope_of
from data_miner.db.connect import Connection
from data_miner.db.dataset import (
    ObjectBox,
    Origin,
    read_duplicates,
    read_frame_scores,
    read_frames,
    read_objects,
    read_origins,
)
from data_miner.errors import MinerError
from data_miner.frames import frame_path, frame_times
from data_miner.mount import naming
from data_miner.queue.items import params_hash
from data_miner.store import Store

#: of the video's sha256: enough to tell the videos of a project apart
_NAME_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class DatasetFrame:
    """One picture."""

    #: from 1, in the order of video and time
    id: int
    video: str
    time_ms: int
    #: where it lies in the store
    source: Path
    width: int
    height: int
    #: where its video was found; the first is the one that it was downloaded from
    origins: list[Origin]
    #: the filter's raw score of each prompt
    scores: dict[str, float]
    objects: list[ObjectBox]
    #: how many near duplicates in other videos it stands for
    stands_for: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.video[:_NAME_DIGITS]}_{self.time_ms:09d}.jpg"

    def said(self, key: str) -> str:
        """Return what the site said of the video, such as its title; empty where it said nothing."""
        return str(self.origins[0].metadata.get(key) or "") if self.origins else ""

    @property
    def url(self) -> str:
        """Where the video was found."""
        return self.origins[0].url if self.origins else ""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """All of it."""

    config: AppConfig
    config_hash: str
    scope: Scope
    frames: list[DatasetFrame]
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def videos(self) -> int:
        """How many videos the frames are of."""
        return len({frame.video for frame in self.frames})

    @property
    def labels(self) -> list[str]:
        """What objects are called: the prompts in their order, then what a detector said besides."""
        found = {one.label for frame in self.frames for one in frame.objects}
        prompts = self.config.detect.prompts
        return [*prompts, *sorted(found.difference(prompts))]


def gather(
    connection: Connection, store: Store, config: AppConfig, *, tick: Callable[[], None] = lambda: None
) -> Dataset:
    """Read the dataset of a project.

    Args:
        connection: in autocommit mode.
        store: where the frames lie.
        config: of the project; says which results count.
        tick: called for each frame.

    Raises:
        MinerError: a frame is not in the store.
        StorageAwayError: the shared directory cannot be used now.
    """
    store.check()
    scope = scope_of(config)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        videos = read_frames(connection, scope)
        origins = read_origins(connection, scope)
        scores = read_frame_scores(connection, scope)
        objects = read_objects(connection, scope)
        duplicates = read_duplicates(connection, scope)
    frames: list[DatasetFrame] = []
    with store.faults():
        for video in videos:
            directory = store.root / video.path
            times = frame_times(directory) if video.times_ms is None else video.times_ms
            for time_ms in times:
                source = frame_path(directory, time_ms)
                width, height = _size(source)
                key = (video.video, time_ms)
                frames.append(
                    DatasetFrame(
                        id=len(frames) + 1,
                        video=video.video,
                        time_ms=time_ms,
                        source=source,
                        width=width,
                        height=height,
                        origins=origins.get(video.video, []),
                        scores=scores.get(key, {}),
                        objects=objects.get(key, []),
                        stands_for=len(duplicates.get(key, ())),
                    )
                )
                tick()
    return Dataset(config=config, config_hash=params_hash(to_plain(config)), scope=scope, frames=frames)


def _size(path: Path) -> tuple[int, int]:
    try:
        with naming(path), path.open("rb") as stream, Image.open(stream) as image:
            return image.size
    except FileNotFoundError as error:
        raise MinerError(f"{path} is not in the store any more; nothing was exported") from error
    except UnidentifiedImageError as error:
        raise MinerError(f"{path} is no picture any more; nothing was exported") from error
