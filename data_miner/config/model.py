"""What a complete configuration must look like: types, ranges, and what depends on what.

The values themselves live in ``default.yaml``; the model has no second set of defaults. A key that may
be absent means "no limit" or "not used".
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from data_miner.config.words import MISFIT
from data_miner.logins import LOGIN_SHOWN, NO_LOGIN_HINT, has_login


class Stage(StrEnum):
    """The steps of the pipeline, in the order in which an item passes through them."""

    SEARCH = "search"
    DOWNLOAD = "download"
    EXTRACT = "extract"
    FILTER = "filter"
    DEDUP = "dedup"
    DETECT = "detect"


def _path(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("should be a path")
    if "${" in value:
        raise ValueError("has an unresolved reference")
    return Path(value)


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("should not be empty")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(_text(value))
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("should be a URL with http:// or https://")
    if has_login(value):
        raise _misfit(LOGIN_SHOWN, below=(), because=(), hint=NO_LOGIN_HINT)
    return value


def _misfit(
    message: str, *, below: tuple[str, ...], because: tuple[str, ...], hint: str
) -> PydanticCustomError:
    """Return an error of a key that does not go with another one.

    Args:
        message: what is wrong.
        below: the key, below the value that is being checked.
        because: path from the root of the other key; its line is to blame where the first one is a default.
        hint: what would be right.
    """
    context = {"message": message, "below": below, "because": because, "hint": hint}
    return PydanticCustomError(MISFIT, "{message}", context)


def _stages(value: list[Stage]) -> list[Stage]:
    order = list(Stage)
    if value != order[: len(value)] or len(value) < order.index(Stage.EXTRACT):
        raise ValueError(f"should be the first of [{', '.join(order)}], at least search and download")
    return value


def _stage(value: Any) -> Stage:
    if value not in list(Stage):
        raise ValueError(f"should be one of {', '.join(Stage)}")
    return Stage(value)


PathText = Annotated[Path, BeforeValidator(_path)]
Text = Annotated[str, AfterValidator(_text)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Url = Annotated[str, AfterValidator(_url)]
#: at most a year
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Count = Annotated[int, Field(ge=1)]
StageName = Annotated[Stage, BeforeValidator(_stage)]
Stages = Annotated[list[StageName], AfterValidator(_stages)]
Project = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
#: yt-dlp's own form: {extractor: {argument: [values]}}
ExtractorArgs = dict[str, dict[str, list[str]]]


class Section(BaseModel):
    """Base of all sections: no unknown keys, no silent conversions, no changes after loading."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class SearchConfig(Section):
    """Which searches to make, and where."""

    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """yt-dlp's search key: ytsearch, ytsearchdate, …"""
    queries: list[Text]
    max_results_per_query: Count


class BreakerConfig(Section):
    """How long to leave a site alone that refuses us."""

    pause_s: Seconds
    max_pause_s: Seconds
    max_blocks: Count
    """An item refused this often becomes a dead letter."""


class DownloadConfig(Section):
    """What to download of a video, and which videos not to."""

    max_height: Count
    format: Text | None = None
    rate_limit_kib_s: Count | None = None
    min_duration_s: Annotated[float, Field(ge=0, le=31_536_000)] | None = None
    max_duration_s: Seconds | None = None
    max_size_mib: Count | None = None
    license_patterns: list[Pattern]
    """Empty: any. Otherwise a video is taken if its site states a licence that one of them matches whole."""
    blocked_hashtag_patterns: list[Pattern]
    retries: Annotated[int, Field(ge=0)]
    socket_timeout_s: Seconds
    proxy: Text | None = None
    extractor_args: ExtractorArgs
    breaker: BreakerConfig

    @model_validator(mode="after")
    def _some_duration_is_allowed(self) -> Self:
        least, most = self.min_duration_s, self.max_duration_s
        if least is not None and most is not None and least > most:
            raise _misfit(
                f"{least:g} is more than max_duration_s ({most:g}), so no video would do",
                below=("min_duration_s",),
                because=("download", "max_duration_s"),
                hint="lower it, or raise max_duration_s",
            )
        return self

    @model_validator(mode="after")
    def _the_proxy_needs_no_password(self) -> Self:
        """Configurations are in a ConfigMap, in the database, and part of each exported dataset."""
        if self.proxy is not None and has_login(self.proxy):
            raise _misfit(
                LOGIN_SHOWN,
                below=("proxy",),
                because=("download", "proxy"),
                hint="set DOWNLOAD_PROXY in .env instead",
            )
        return self


class ExtractConfig(Section):
    """Which frames to cut from a video. Every key is part of the parameters hash of its frames."""

    mode: Literal["fps", "keyframes", "scenes"]
    fps: Annotated[float, Field(gt=0, le=120)]
    scene_change: Share
    """In the mode scenes: how much the first frame of a scene differs from the one before, on the average."""
    min_difference: Share
    """A frame that differs by less than this from one of the last is dropped; 0 keeps all.

    It counts where they differ most, in a grid of 32 by 32 cells."""
    max_frames: Count
    max_side: Annotated[int, Field(ge=16)] | None = None
    """Frames are scaled down so that neither side is longer, in pixels."""
    jpeg_quality: Annotated[int, Field(ge=1, le=95)]


class FilterConfig(Section):
    """Which frames to keep: SigLIP scores against text prompts."""

    model: Text
    positive_prompts: list[Text]
    negative_prompts: list[Text]
    threshold: Share
    thresholds: dict[str, Share]
    """Overrides ``threshold`` for single prompts."""
    negative_threshold: Share
    batch_size: Count

    @model_validator(mode="after")
    def _thresholds_are_of_prompts(self) -> Self:
        for prompt in self.thresholds:
            if prompt not in self.positive_prompts:
                raise _misfit(
                    "is none of positive_prompts",
                    below=("thresholds", prompt),
                    because=("filter", "positive_prompts"),
                    hint="copy the prompt as it stands there",
                )
        return self


class DedupConfig(Section):
    """When two frames count as the same."""

    model: Text
    hash_max_distance: Annotated[int, Field(ge=0, le=64)]
    embedding_min_similarity: Share
    batch_size: Count


class DetectConfig(Section):
    """Which objects to box: zero-shot detection with text prompts."""

    model: Text
    prompts: list[Text]
    box_threshold: Share
    text_threshold: Share
    nms_iou: Share
    """Boxes of one prompt that overlap more than this are the same object."""
    tile_side: Annotated[int, Field(ge=64)] | None = None
    """Larger frames are also looked at in tiles of this many pixels, which finds small objects."""
    tile_overlap: Annotated[float, Field(ge=0, le=0.5)]
    """Share of a tile that the next one covers too."""
    batch_size: Count


class QueueConfig(Section):
    """How items are leased and retried."""

    lease_s: Annotated[float, Field(gt=0, le=1200)]
    """Shorter than files are kept of which no result speaks yet."""
    heartbeat_s: Seconds
    poll_s: Seconds
    batch_size: Count
    max_attempts: Count
    backoff_s: Seconds
    max_backoff_s: Seconds

    @model_validator(mode="after")
    def _heartbeats_fit_into_a_lease(self) -> Self:
        if self.heartbeat_s * 2 > self.lease_s:
            raise _misfit(
                f"{self.heartbeat_s:g} is more than half of lease_s ({self.lease_s:g})",
                below=("heartbeat_s",),
                because=("queue", "lease_s"),
                hint="two heartbeats should fit into a lease",
            )
        return self


class WorkerConfig(Section):
    """How a worker process behaves."""

    port: Annotated[int, Field(ge=0, le=65535)]
    stalled_after_s: Seconds
    """No progress for this long means stuck: /healthz fails and the lease is no longer renewed."""
    shutdown_grace_s: Seconds
    """After SIGTERM, how long the current item may still take before it is given back."""
    pause_s: Seconds
    """How long to wait while the database or the shared directory is away."""


class MonitorConfig(Section):
    """What the monitor does, how often."""

    interval_s: Seconds
    reseed_s: Seconds


class StorageConfig(Section):
    """How full the shared storage may get, in percent."""

    warn_percent: Percent
    """From here on status warns."""
    pause_percent: Percent
    """From here on nothing is downloaded."""
    resume_percent: Percent
    """Below this downloads go on."""

    @model_validator(mode="after")
    def _downloads_go_on_below_where_they_stop(self) -> Self:
        if self.resume_percent > self.pause_percent:
            raise _misfit(
                f"{self.resume_percent:g} is more than pause_percent ({self.pause_percent:g})",
                below=("resume_percent",),
                because=("storage", "pause_percent"),
                hint="lower it, so that downloads do not start and stop all the time",
            )
        return self


class LoggingConfig(Section):
    """What is logged, and how logs go to Loki."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    loki_batch_size: Count
    loki_queue_size: Count
    loki_timeout_s: Seconds


class AppConfig(Section):
    """The complete configuration of one project."""

    project: Project
    output_dir: PathText
    models_dir: PathText | None = None
    """Where models lie or are kept once they came from the hub; output_dir/models if not set."""
    device: Literal["auto", "cpu", "cuda"]
    stages: Stages
    search: SearchConfig
    urls: list[Url]
    url_files: list[PathText]
    playlists: list[Url]
    download: DownloadConfig
    extract: ExtractConfig
    filter: FilterConfig
    dedup: DedupConfig
    detect: DetectConfig
    queue: QueueConfig
    worker: WorkerConfig
    monitor: MonitorConfig
    storage: StorageConfig
    logging: LoggingConfig

    @field_validator("filter")
    @classmethod
    def _filter_has_prompts(cls, value: FilterConfig, info: ValidationInfo) -> FilterConfig:
        if Stage.FILTER in info.data.get("stages", []) and not value.positive_prompts:
            raise _no_prompts("positive_prompts", Stage.FILTER)
        return value

    @field_validator("detect")
    @classmethod
    def _detect_has_prompts(cls, value: DetectConfig, info: ValidationInfo) -> DetectConfig:
        if Stage.DETECT in info.data.get("stages", []) and not value.prompts:
            raise _no_prompts("prompts", Stage.DETECT)
        return value

    def models(self) -> dict[Stage, str]:
        """Return the model that each selected stage needs."""
        names = {
            Stage.FILTER: self.filter.model,
            Stage.DEDUP: self.dedup.model,
            Stage.DETECT: self.detect.model,
        }
        return {stage: name for stage, name in names.items() if stage in self.stages}


def _no_prompts(key: str, stage: Stage) -> PydanticCustomError:
    return _misfit(
        f"is empty, and stages has {stage}",
        below=(key,),
        because=("stages",),
        hint=f"say what to look for, or take {stage} out of stages",
    )
