"""The extract stage: cuts frames out of a video."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from data_miner.config.model import ExtractConfig, Stage
from data_miner.errors import PermanentError, RetryableError
from data_miner.media import video_extension
from data_miner.queue.items import NewItem, Outcome
from data_miner.queue.records import FramesCut
from data_miner.workers import filter as filtering
from data_miner.workers.job import Job, Tick

#: a frame with more pixels than 16K UHD is refused rather than decoded into memory
MAX_PIXELS = 15360 * 8640

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
        raise RetryableError(f"{job.item.payload['path']}: not in the store")
    directory = job.workspace() / "frames"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    cut = cut_frames(file, directory, params, job.tick)
    manifest: dict[str, Any] = {"frames": cut.frames, "width": cut.width, "height": cut.height}
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
    try:
        with av.open(str(file), **_OPEN) as container:
            for time_s, frame in _pick(container, params):
                image = _image(frame, params.max_side)
                image.save(directory / f"{round(time_s * 1000):09d}.jpg", quality=params.jpeg_quality)
                cut.frames, cut.width, cut.height = cut.frames + 1, image.width, image.height
                tick()
                if cut.frames >= params.max_frames:
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


def _pick(container: InputContainer, params: ExtractConfig) -> Iterator[tuple[float, VideoFrame]]:
    """Yield (seconds from the start, frame), a frame for each step of the grid, or every key frame."""
    stream = _video_stream(container)
    stream.thread_type = "AUTO"
    if params.mode == "keyframes":
        stream.codec_context.skip_frame = "NONKEY"
    step = 1 / params.fps if params.mode == "fps" else 0.0
    start: float | None = None
    next_s = 0.0
    for frame in container.decode(stream):
        if frame.time is None:
            continue
        start = frame.time if start is None else start
        time_s = max(0.0, frame.time - start)
        # Half a millisecond: time stamps are rounded to the stream's time base.
        if time_s + 0.0005 >= next_s:
            yield time_s, frame
            if step:
                next_s += step * (max(0, int((time_s - next_s) / step)) + 1)


def _video_stream(container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic:
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > MAX_PIXELS:
                raise PermanentError(f"frames of {width}x{height} pixels are larger than we decode")
            return stream
    kinds = sorted({stream.type for stream in container.streams})
    raise PermanentError(f"has no video stream (only {', '.join(kinds) or 'nothing'})")


def _image(frame: VideoFrame, max_side: int | None) -> Image.Image:
    """Return the upright picture, RGB, no side longer than ``max_side``."""
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    if max_side is not None:
        image.thumbnail((max_side, max_side))
    return image


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
