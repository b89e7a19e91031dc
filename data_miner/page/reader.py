"""What the pages show, read for one request: a few short queries, so that the queue hardly notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate

from data_miner.config import AppConfig
from data_miner.dataset.scope import Scope, scope_of
from data_miner.db import page
from data_miner.db.connect import Connection, connect
from data_miner.db.dataset import (
    Frame,
    ObjectBox,
    Origin,
    VideoFrames,
    read_frame_scores,
    read_frames,
    read_objects,
    read_origins,
)
from data_miner.db.migrate import check_schema
from data_miner.errors import RetryableError
from data_miner.frames import frame_times
from data_miner.store import Store
from data_miner.workers.filter import all_prompts

#: requests that may ask the database at a time
_AT_A_TIME = 4
_TIMEOUT_MS = 10_000
BINS = 40


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A frame with all that is said below it."""

    video: str
    time_ms: int
    frames_hash: str
    width: int
    height: int
    origin: Origin | None
    objects: list[ObjectBox]
    #: the prompt that fits best, and its score
    best: tuple[str, float] | None
    #: how much it is like the frame that is shown in its place; None where that is not known
    similarity: float | None = None

    @property
    def title(self) -> str:
        """What the video is called."""
        return str(self.origin.metadata.get("title") or self.origin.url) if self.origin else self.video[:16]


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The scores of one prompt."""

    prompt: str
    threshold: float
    #: frames that look like this are not kept
    negative: bool
    #: number of frames in equal steps from 0 to 1
    bins: list[int]
    #: how many of them reach the threshold
    reached: int


class Reader:
    """Opens connections for requests.

    Args:
        url: of the database.
        store: where frames lie.
    """

    def __init__(self, url: str, store: Store) -> None:
        self.store = store
        self._url = url
        self._slots = threading.BoundedSemaphore(_AT_A_TIME)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Open a connection whose queries give up soon.

        Raises:
            DatabaseAwayError: the server cannot be reached.
            SchemaError: the schema does not fit this program.
        """
        with self._slots, connect(self._url, name="page") as connection:
            check_schema(connection)
            connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(_TIMEOUT_MS)])
            yield connection

    def gallery(
        self, connection: Connection, config: AppConfig, *, limit: int, offset: int
    ) -> tuple[list[Picture], int]:
        """Return a part of a project's dataset, and how many frames it has."""
        scope = scope_of(config)
        videos = read_frames(connection, scope)
        ends = list(accumulate(video.frames for video in videos))
        frames: list[Frame] = []
        for video, end in zip(videos, ends, strict=True):
            first = max(offset - (end - video.frames), 0)
            wanted = limit - len(frames)
            if end > offset and wanted > 0:
                frames += [(video.video, time_ms) for time_ms in self._times(video)[first : first + wanted]]
        sizes = {video.video: (video.width, video.height) for video in videos}
        return self._pictures(connection, scope, frames, sizes), ends[-1] if ends else 0

    def duplicates(
        self, connection: Connection, config: AppConfig, *, limit: int, offset: int
    ) -> tuple[list[list[Picture]], int]:
        """Return a part of the groups of near duplicates, each with the frame that is shown first."""
        scope = scope_of(config)
        groups, total = page.groups(connection, scope, limit=limit, offset=offset)
        frames = [frame for group in groups for frame in (group.by, *group.frames)]
        alike = page.similarities(connection, scope, [group.by for group in groups])
        known = {(one.video, one.time_ms): one for one in self._pictures(connection, scope, frames, {})}
        found = []
        for group in groups:
            others = [_alike(known[frame], alike.get((frame, group.by))) for frame in group.frames]
            found.append([known[group.by], *others])
        return found, total

    def histograms(self, connection: Connection, config: AppConfig) -> list[Histogram]:
        """Return the scores of each of the filter's prompts."""
        prompts, params = all_prompts(config.filter), config.filter
        positive = len(params.positive_prompts)
        usual = [params.threshold] * positive + [params.negative_threshold] * (len(prompts) - positive)
        thresholds = [
            params.thresholds.get(prompt, threshold) for prompt, threshold in zip(prompts, usual, strict=True)
        ]
        counts = page.histograms(connection, scope_of(config), thresholds=thresholds, bins=BINS)
        return [
            Histogram(
                prompt=prompt,
                threshold=thresholds[number],
                negative=number >= positive,
                bins=counts[number].bins,
                reached=counts[number].reached,
            )
            for number, prompt in enumerate(prompts)
        ]

    def _times(self, video: VideoFrames) -> list[int]:
        if video.times_ms is not None:
            return video.times_ms
        try:
            return frame_times(self.store.root / video.path)
        except (RetryableError, OSError):
            return []

    def _pictures(
        self,
        connection: Connection,
        scope: Scope,
        frames: Sequence[Frame],
        sizes: dict[str, tuple[int, int]],
    ) -> list[Picture]:
        videos = sorted({video for video, _ in frames})
        origins = read_origins(connection, scope, videos)
        objects = read_objects(connection, scope, videos)
        scores = read_frame_scores(connection, scope, videos)
        pictures = []
        for video, time_ms in frames:
            width, height = sizes.get(video, (0, 0))
            of_frame = scores.get((video, time_ms), {})
            pictures.append(
                Picture(
                    video=video,
                    time_ms=time_ms,
                    frames_hash=scope.frames_hash,
                    width=width,
                    height=height,
                    origin=next(iter(origins.get(video, ())), None),
                    objects=objects.get((video, time_ms), []) if width else [],
                    best=max(of_frame.items(), key=lambda pair: pair[1]) if of_frame else None,
                )
            )
        return pictures


def _alike(picture: Picture, similarity: float | None) -> Picture:
    return replace(picture, similarity=similarity)
