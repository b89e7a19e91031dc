"""Which frames of a video are taken: evenly in time, every key frame, or the first of each scene.

Frames that are not wanted are not even decoded where others do not depend on them.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from data_miner.errors import PermanentError
from data_miner.video.signature import mean_difference, signature

Mode = Literal["fps", "keyframes", "scenes"]
_Packet: TypeAlias = "Packet[VideoStream]"
#: (seconds from the start, frame)
Picked = Iterator[tuple[float, VideoFrame]]

#: a frame with more pixels than 16K UHD is refused rather than decoded into memory
MAX_PIXELS = 15360 * 8640
#: decoders hold a few frames for each thread; all threads together get about this many pixels
_THREAD_PIXELS = 64_000_000
_MAX_THREADS = 8
#: by how many places a packet may come before one that is shown earlier
_REORDER = 32
#: time stamps are rounded to the stream's time base
_ROUNDING_S = 0.0005


class Grid:
    """Takes the first frame at or after each step."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._start_s: float | None = None
        self._last_step = -1

    def take(self, time_s: float) -> float | None:
        """Return the seconds from the start if this frame, the next in order of time, is taken."""
        self._start_s = time_s if self._start_s is None else self._start_s
        since_s = max(0.0, time_s - self._start_s)
        step = int((since_s + _ROUNDING_S) / self._step_s)
        if step <= self._last_step:
            return None
        self._last_step = step
        return since_s


def video_stream(container: InputContainer) -> VideoStream:
    """Return the video to decode.

    Raises:
        PermanentError: there is none, or its frames are too large.
    """
    for stream in container.streams.video:
        if stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic:
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > MAX_PIXELS:
                raise PermanentError(f"frames of {width}x{height} pixels are larger than we decode")
            _use_threads(stream, width * height)
            return stream
    kinds = sorted({stream.type for stream in container.streams})
    raise PermanentError(f"has no video stream (only {', '.join(kinds) or 'nothing'})")


def pick(
    container: InputContainer, *, mode: Mode, fps: float, scene_change: float, tick: Callable[[], None]
) -> Picked:
    """Yield the frames that are taken, in the order of time.

    Args:
        container: an open file.
        mode: how they are chosen.
        fps: for each second, in the mode of that name.
        scene_change: how much the brightness of a scene's first frame differs from the one before, 0 to 1.
        tick: called for each packet.

    Raises:
        PermanentError: there is no video, or its frames are too large.
    """
    stream = video_stream(container)
    if mode == "fps":
        yield from _evenly(container, stream, 1 / fps, tick)
        return
    stream.codec_context.skip_frame = "NONKEY" if mode == "keyframes" else "NONREF"
    packets = container.demux(stream)
    if mode == "keyframes":
        yield from _decoded(_key_packets(packets), tick)
    else:
        yield from _scene_starts(_decoded(packets, tick), scene_change)


def _key_packets(packets: Iterator[_Packet]) -> Iterator[_Packet]:
    """Yield what key frames are decoded from: everything, where no packet says that it is one."""
    some_are_marked = False
    for packet in packets:
        some_are_marked |= packet.is_keyframe
        if packet.is_keyframe or packet.size == 0 or not some_are_marked:
            yield packet


def _decoded(packets: Iterator[_Packet], tick: Callable[[], None]) -> Picked:
    start_s: float | None = None
    for packet in packets:
        tick()
        for frame in packet.decode():
            if frame.time is not None:
                start_s = frame.time if start_s is None else start_s
                yield max(0.0, frame.time - start_s), frame


def _scene_starts(frames: Picked, scene_change: float) -> Picked:
    before = None
    for since_s, frame in frames:
        now = signature(frame)
        if before is None or mean_difference(before, now) >= scene_change:
            yield since_s, frame
        before = now


def _evenly(
    container: InputContainer, stream: VideoStream, step_s: float, tick: Callable[[], None]
) -> Picked:
    """Yield the first frame at or after each step; asks the decoder for no others where it can do without."""
    grid = Grid(step_s)
    for packet, wanted in _foreseen(container.demux(stream), step_s):
        tick()
        stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        for frame in packet.decode():
            if frame.time is not None and (since_s := grid.take(frame.time)) is not None:
                yield since_s, frame


def _foreseen(packets: Iterator[_Packet], step_s: float) -> Iterator[tuple[_Packet, bool]]:
    """Yield each packet, and whether its frame may be taken: judged by the times of those around it.

    Packets come in the order of decoding. Once enough of those after it are known, so is the order of time.
    """
    grid = Grid(step_s)
    waiting: deque[_Packet] = deque()
    times: list[int] = []
    wanted: set[int] = set()
    decided: int | None = None
    for packet in packets:
        waiting.append(packet)
        if packet.pts is not None:
            heapq.heappush(times, packet.pts)
        while len(times) > _REORDER or (times and packet.size == 0):
            decided = heapq.heappop(times)
            if packet.time_base and grid.take(float(decided * packet.time_base)) is not None:
                wanted.add(decided)
        while waiting and (packet.size == 0 or _is_before(waiting[0], decided)):
            first = waiting.popleft()
            # Without a time, nobody knows; a packet of size 0 asks for what the decoder still holds.
            yield first, first.pts is None or first.pts in wanted or first.size == 0
            wanted.discard(first.pts or 0)


def _is_before(packet: _Packet, decided: int | None) -> bool:
    return packet.pts is None or (decided is not None and packet.pts <= decided)


def _use_threads(stream: VideoStream, pixels: int) -> None:
    fitting = _THREAD_PIXELS // max(1, pixels)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = max(1, min(len(os.sched_getaffinity(0)), _MAX_THREADS, fitting))
