"""What stages found, as plain data: written in the transaction that acknowledges the item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_miner.errors import MinerError

if TYPE_CHECKING:
    from data_miner.queue.items import NewItem


@dataclass(frozen=True, kw_only=True)
class VideoFound:
    """A video in the store, and where it was found."""

    sha256: str
    #: relative to the output directory
    path: str
    size_bytes: int
    url: str
    metadata: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class FramesCut:
    """A directory of frames in the store."""

    sha256: str
    #: relative to the output directory
    path: str
    frames: int
    #: of the frames as written, in pixels
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well the frames of a video fit some prompts, before any threshold."""

    model: str
    prompts: list[str]
    times_ms: list[int]
    #: a row for each frame, a column for each prompt, 0 to 1
    values: list[list[float]]

    @property
    def key(self) -> Mapping[str, Any]:
        """What the values depend on besides the frames."""
        return {"model": self.model, "prompts": self.prompts}


@dataclass(frozen=True, kw_only=True)
class FramesFiltered:
    """Which frames of a video pass the filter."""

    sha256: str
    #: parameters hash of the frames
    frames_hash: str
    scores: Scores
    scores_hash: str
    passed_ms: list[int]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A frame that passed the filter and may represent others like it."""

    time_ms: int
    #: 64 bits, unsigned; None where the picture is too plain to tell
    phash: int | None
    pixels: int
    size_bytes: int
    #: the frame of the same video that this one repeats, which is no candidate then
    repeats_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class KnownCandidate:
    """A candidate of another video, as the database knows it."""

    #: in the order of arrival
    number: int
    video: str
    frames_hash: str
    time_ms: int
    phash: int | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A candidate of this video and one of another video that show the same."""

    time_ms: int
    other_video: str
    other_ms: int
    #: cosine of the embeddings
    similarity: float
    #: bits of the perceptual hashes that differ, if both have one
    distance: int | None


#: makes the item that follows for frames that a video keeps now and did not keep before
Follow = Callable[[str, str, Sequence[int]], "NewItem"]


@dataclass(frozen=True, kw_only=True)
class FramesCompared:
    """The frames of a video, compared with each other and with all candidates known so far.

    Which of them are kept is decided when this is stored, since others may be stored at the same time.
    """

    sha256: str
    frames_hash: str
    #: the last candidate that was compared; if there are newer ones by now, the comparison is out of date
    known: int
    frames: list[Candidate]
    pairs: list[Pair]
    #: None where no stage follows
    follow: Follow | None = None


@dataclass(frozen=True, kw_only=True)
class FoundBox:
    """One object."""

    label: str
    score: float
    #: xyxy in pixels of the frame
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class ObjectsFound:
    """What a detector found in frames of a video."""

    sha256: str
    frames_hash: str
    #: of what the raw boxes depend on: the model and what it was asked
    raw_hash: str
    #: of all detection parameters
    params_hash: str
    #: by time in ms: every box above the floor; only frames that were not looked at before
    raw: dict[int, list[FoundBox]]
    #: by time in ms: what is left of them after thresholds and non-maximum suppression
    objects: dict[int, list[FoundBox]]


Record = VideoFound | FramesCut | FramesFiltered | FramesCompared | ObjectsFound


class StaleError(MinerError):
    """What was compared with has changed meanwhile; working on the item again gives a valid result."""
