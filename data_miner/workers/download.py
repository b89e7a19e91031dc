"""The download stage: fetches one video into the store."""

from __future__ import annotations

import re
from typing import Any

from data_miner import fetch
from data_miner.config import AppConfig, Stage
from data_miner.config.model import DownloadConfig
from data_miner.errors import RetryableError
from data_miner.fetch import Info, site_of, too_large
from data_miner.media import video_extension
from data_miner.queue.items import NewItem, Outcome, params_hash
from data_miner.queue.records import VideoFound
from data_miner.workers import extract
from data_miner.workers.job import Job

_HASHTAG = re.compile(r"#(\w[\w.-]*)")
_MAX_TEXT = 5000

#: what is kept of a site's metadata
KEPT = (
    "id",
    "extractor",
    "title",
    "description",
    "uploader",
    "channel",
    "channel_url",
    "upload_date",
    "duration",
    "tags",
    "categories",
    "license",
    "view_count",
    "like_count",
    "webpage_url",
    "format_id",
    "width",
    "height",
    "fps",
    "vcodec",
)


def item_for(config: AppConfig, *, key: str, url: str) -> NewItem:
    """Return the download item of a video."""
    return NewItem(
        project=config.project,
        stage=Stage.DOWNLOAD,
        key=key,
        params={"format": config.download.format, "max_height": config.download.max_height},
        # Under other rules, one that was skipped is looked at again.
        payload={"url": url, "rules": params_hash(rules(config.download))},
        site=site_of(url),
    )


def rules(config: DownloadConfig) -> dict[str, Any]:
    """Return what decides which videos are wanted: other rules mean to look again."""
    return {
        "blocked_hashtag_patterns": config.blocked_hashtag_patterns,
        "license_patterns": config.license_patterns,
        "min_duration_s": config.min_duration_s,
        "max_duration_s": config.max_duration_s,
        "max_size_mib": config.max_size_mib,
    }


def run(job: Job) -> Outcome:
    """Fetch a video unless its metadata says that it is not wanted.

    Raises:
        RetryableError, SiteBlockedError, PermanentError: there is no video to be had, now or ever.
    """
    url = job.item.payload["url"]
    config = job.config.download.model_copy(update=job.item.params)

    def accept(info: Info) -> str | None:
        reason = rejection(info, config) or license_rejection(info, config.license_patterns)
        if reason is None:
            _require_space(_expected_bytes(info), job.store.free_bytes())
        return reason

    info, file, skipped = fetch.download(url, job.workspace(), config, accept=accept, tick=job.tick)
    if file is None:
        return Outcome(
            result={"title": kept_metadata(info).get("title")}, skipped=storable(skipped or "not wanted")
        )
    stored = job.store.add_video(file, extension=video_extension(file), tick=job.tick)
    video = VideoFound(
        sha256=stored.sha256,
        path=stored.path,
        size_bytes=stored.size_bytes,
        url=info.get("webpage_url") or url,
        metadata=kept_metadata(info),
    )
    following = [extract.item_for(job.item.project, stored.sha256, stored.path, job.config.extract)]
    return Outcome(
        result={"sha256": stored.sha256, "path": stored.path, "size_bytes": stored.size_bytes},
        records=[video],
        next_items=following if Stage.EXTRACT in job.config.stages else [],
    )


def rejection(info: Info, config: DownloadConfig) -> str | None:
    """Return why a video is not wanted, judging by its metadata alone, or None.

    Works on the short metadata of search results too: what is not known does not count against a video.
    """
    if tag := blocked_hashtag(info, config.blocked_hashtag_patterns):
        return f"hashtag #{tag} is blocked"
    if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming"}:
        return "is a live stream"
    duration = info.get("duration")
    if duration is not None:
        if config.min_duration_s is not None and duration < config.min_duration_s:
            return f"shorter than {config.min_duration_s:g} s"
        if config.max_duration_s is not None and duration > config.max_duration_s:
            return f"longer than {config.max_duration_s:g} s"
    return too_large(_expected_bytes(info), config)


def license_rejection(info: Info, patterns: list[str]) -> str | None:
    """Return why a video's licence does not do, or None. Lists of results do not say it, only its page."""
    stated = info.get("license")
    if not patterns:
        return None
    if not stated:
        return "states no licence"
    if any(re.fullmatch(pattern, str(stated), re.IGNORECASE) for pattern in patterns):
        return None
    return f"licence {str(stated)[:100]} is not among license_patterns"


def _require_space(wanted: int, free: int | None) -> None:
    """Refuse what does not fit, before the storage is full and more than one download fails.

    Raises:
        RetryableError: says how much is missing.
    """
    if free is not None and wanted > free:
        raise RetryableError(f"{wanted >> 20} MiB do not fit: {free >> 20} MiB are free in the storage")


def _expected_bytes(info: Info) -> int:
    return int(info.get("filesize") or info.get("filesize_approx") or 0)


def blocked_hashtag(info: Info, patterns: list[str]) -> str | None:
    """Return the first hashtag or tag that a pattern matches whole, in any case, or None."""
    text = f"{info.get('title') or ''}\n{info.get('description') or ''}"
    hashtags = [*_HASHTAG.findall(text), *(str(tag).lstrip("#") for tag in info.get("tags") or ())]
    compiled = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]
    return next((tag for tag in hashtags if any(pattern.fullmatch(tag) for pattern in compiled)), None)


def kept_metadata(info: Info) -> dict[str, Any]:
    """Return what is worth keeping of a site's metadata, as plain JSON values."""
    kept: dict[str, Any] = {}
    for key in KEPT:
        value = info.get(key)
        if isinstance(value, str):
            kept[key] = storable(value)[:_MAX_TEXT]
        elif isinstance(value, (bool, int, float)):
            kept[key] = value
        elif isinstance(value, (list, tuple)):
            kept[key] = [storable(str(entry)) for entry in value[:100]]
    return kept


def storable(text: str) -> str:
    """Return text without what Postgres cannot store: NUL and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
