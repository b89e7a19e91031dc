"""The extract stage: cuts frames out of a video."""

from __future__ import annotations

import shutil
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import av
import av.error
from av.video.frame import VideoFrame

from data_miner.config.model import ExtractConfig, Stage
from data_miner.errors import PermanentError, RetryableError
from data_miner.media import video_extension
from data_miner.mount import naming
from data_miner.queue.items import NewItem, Outcome
from data_miner.queue.records import FramesCut
from data_miner.video.pick import pick
from data_miner.video.picture import picture
from data_miner.video.signature import Novelty
from data_miner.workers import filter as filtering
from data_miner.workers.job import Job, Tick

#: decoded and not yet written
_WAITING_FRAMES = 2

#: metadata need not be UTF-8; since version 19 av takes it as it is and has no option for it
_METADATA_IS_TAKEN = 19
_OPEN: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) >= _METADATA_IS_TAKEN else {"metadata_errors": "replace"}
)


@dataclass(kw_only=True)
class Cut:
    """What came out of one video."""

    frames: int = 0
    width: int = 0
    height: int = 0
    #: frames that were dropped because they show the same as one of the last
    near_duplicates: int = 0
    #: why it ended before the end of the video, if it did
    warning: str | None = None


def item_for(project: str, sha256: str, path: str, params: ExtractConfig) -> NewItem:
    """Return the extract item of a video."""
    return NewItem(
        project=project,
        stage=Stage.EXTRACT,
        key=sha256,
        params=params.model_dump(mode="json", exclude_none=True),
        payload={"path": path},
    )


def run(job: Job) -> Outcome:
    """Cut the frames of one video, unless another attempt has done so already.

    Raises:
        PermanentError: no frame can be had from the file; says why.
        RetryableError: the file is not in the store.
    """
    sha256, params_hash = job.item.key, job.item.params_hash
    manifest = job.store.read_frames(sha256, params_hash)
    if manifest is None:
        manifest = _cut_into_store(job, sha256, params_hash)
    path = job.store.frames_path(sha256, params_hash).relative_to(job.store.root)
    cut = FramesCut(
        sha256=sha256,
        path=str(path),
        frames=manifest["frames"],
        width=manifest["width"],
        height=manifest["height"],
    )
    following = [filtering.item_for(job.config, sha256, params_hash)]
    return Outcome(
        result=manifest,
        records=[cut],
        next_items=following if Stage.FILTER in job.config.stages else [],
    )


def _cut_into_store(job: Job, sha256: str, params_hash: str) -> dict[str, Any]:
    params = ExtractConfig.model_validate(job.item.params)
    file = job.store.root / job.item.payload["path"]
    if not file.is_file():
        raise RetryableError(f"{file}: not in the store")
    directory = job.workspace() / "frames"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    with naming(file):
        cut = cut_frames(file, directory, params, job.tick)
    manifest: dict[str, Any] = {"frames": cut.frames, "width": cut.width, "height": cut.height}
    if cut.near_duplicates:
        manifest["near_duplicates"] = cut.near_duplicates
    if cut.warning:
        manifest["warning"] = cut.warning
    return job.store.add_frames(directory, sha256, params_hash, manifest)


def cut_frames(file: Path, directory: Path, params: ExtractConfig, tick: Tick) -> Cut:
    """Write frames as ``<milliseconds, 9 digits>.jpg``; memory does not grow with the video's length.

    Raises:
        PermanentError: no frame can be had from the file.
    """
    video_extension(file)
    cut = Cut()
    novelty = Novelty(params.min_difference)
    try:
        with av.open(str(file), **_OPEN) as container, _Writer(directory, params, cut) as writer:
            picked = pick(
                container, mode=params.mode, fps=params.fps, scene_change=params.scene_change, tick=tick
            )
            for time_s, frame in picked:
                if not novelty.is_new(frame):
                    cut.near_duplicates += 1
                    continue
                writer.write(time_s, frame)
                if writer.count >= params.max_frames:
                    break
    except (av.error.FFmpegError, EOFError) as error:
        if isinstance(error, OSError) and not isinstance(error, av.error.InvalidDataError):
            raise
        if not cut.frames:
            raise PermanentError(f"not a readable video, perhaps cut off: {_reason(error)}") from error
        cut.warning = f"ends early: {_reason(error)}"
    if not cut.frames:
        raise PermanentError("the video stream holds no frame")
    return cut


class _Writer:
    """Writes frames in a thread of its own, while the next ones are decoded. Few wait, for memory's sake."""

    def __init__(self, directory: Path, params: ExtractConfig, cut: Cut) -> None:
        self.count = 0
        self._directory, self._params, self._cut = directory, params, cut
        self._pool = ThreadPoolExecutor(1, "frames")
        self._written: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        """Wait for what is being written: also of a video that ends early, everything so far counts."""
        try:
            if error is None or isinstance(error, Exception):
                self._wait(0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def write(self, time_s: float, frame: VideoFrame) -> None:
        """Write a frame, soon."""
        self.count += 1
        self._written.append(self._pool.submit(self._save, time_s, frame))
        self._wait(_WAITING_FRAMES)

    def _wait(self, most: int) -> None:
        while len(self._written) > most:
            self._written.popleft().result()

    def _save(self, time_s: float, frame: VideoFrame) -> None:
        image = picture(frame, self._params.max_side)
        file = self._directory / f"{round(time_s * 1000):09d}.jpg"
        with naming(file):
            image.save(file, quality=self._params.jpeg_quality)
        self._cut.frames += 1
        self._cut.width, self._cut.height = image.width, image.height


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
