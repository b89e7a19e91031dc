"""Talking to video sites through yt-dlp: what they offer, and the bytes. Failures become our own errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yt_dlp
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, YoutubeDLError

from data_miner.config.model import DownloadConfig
from data_miner.errors import MinerError, PermanentError, RetryableError, SiteBlockedError
from data_miner.mount import is_storage_fault
from data_miner.site_secrets import SiteSecrets, site_secrets

Info = dict[str, Any]

#: HTTP answers that mean "not from this address now"
_BLOCKED = {403, 429}
_SERVER_ERROR = 500
_REDIRECT = range(300, 400)
_BOT = re.compile(r"not a bot|captcha|unusual traffic|too many requests|rate.?limit", re.IGNORECASE)
_EMPTY = "Did not get any data blocks"
_NOISE = re.compile(r"\x1b\[[0-9;]*m|^ERROR: |;? ?please report this issue on .*", re.IGNORECASE | re.DOTALL)
_ALIASES = {"youtu.be": "youtube.com", "m.youtube.com": "youtube.com", "music.youtube.com": "youtube.com"}


class TooLargeError(MinerError):
    """A download grew beyond the limit; its size was not known before."""


def site_of(url: str) -> str:
    """Return what stands for a site in the breaker: its host, and its port if it has one of its own."""
    host = urlsplit(url).netloc.rpartition("@")[2].lower().removeprefix("www.")
    return _ALIASES.get(host, host)


def search_site(prefix: str) -> str:
    """Return the site that a search key asks."""
    return "youtube.com" if prefix.startswith("ytsearch") else prefix


def list_videos(source: str, config: DownloadConfig, *, site: str) -> Iterator[Info]:
    """Yield the entries behind a search, a playlist or a page, without asking for each of them.

    Raises:
        RetryableError, SiteBlockedError, PermanentError: the site does not tell.
    """
    flat = {"extract_flat": "in_playlist", "lazy_playlist": True}
    with (
        site_secrets() as secrets,
        _Translated(site, secrets),
        yt_dlp.YoutubeDL({**_options(config, secrets), **flat}) as ydl,
    ):
        info = ydl.extract_info(source, download=False)
        if info.get("_type") not in {"playlist", "multi_video"}:
            yield info
            return
        for entry in info.get("entries") or ():
            if entry is not None:
                yield entry


def download(
    url: str,
    directory: Path,
    config: DownloadConfig,
    *,
    accept: Callable[[Info], str | None],
    tick: Callable[[int], None],
) -> tuple[Info, Path | None, str | None]:
    """Ask about a video, and fetch it unless it is refused; goes on from what ``directory`` holds.

    Args:
        url: of a page or a file.
        directory: where the file and unfinished parts of it are written.
        config: what to fetch, and how.
        accept: gets the metadata; returns why the video is not wanted, or None.
        tick: called with the number of bytes that arrived since its last call.

    Returns:
        The metadata, the file, and why it was not fetched; one of the last two is None.

    Raises:
        RetryableError, SiteBlockedError, PermanentError: there is no video to be had, now or ever.
    """
    options = {
        "format": config.format or f"bestvideo*[height<=?{config.max_height}]/best",
        "outtmpl": {"default": str(directory / "media.%(format_id)s.%(ext)s")},
        "progress_hooks": [_progress(config, tick)],
    }
    with (
        site_secrets() as secrets,
        _Translated(site_of(url), secrets),
        yt_dlp.YoutubeDL({**_options(config, secrets), **options}) as ydl,
    ):
        info = ydl.extract_info(url, download=False)
        if info.get("_type") in {"playlist", "multi_video"}:
            info = next((entry for entry in info.get("entries") or () if entry), None)
        if not info:
            raise PermanentError(f"{url}: no video on this page")
        if reason := accept(info):
            return info, None, reason
        try:
            done = ydl.process_ie_result(info, download=True)
        except TooLargeError as error:
            return info, None, str(error)
    # Not whatever lies there: an earlier attempt may have ended with another format before it stored that.
    files = [Path(part["filepath"]) for part in done.get("requested_downloads") or () if part.get("filepath")]
    if len(files) != 1 or not files[0].is_file():
        raise RetryableError(f"{url}: the download left {len(files)} files, expected one")
    return info, files[0], None


def _options(config: DownloadConfig, secrets: SiteSecrets) -> dict[str, Any]:
    options: dict[str, Any] = {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "logger": _Log(),
        "cachedir": False,
        "noplaylist": True,
        "fixup": "never",
        "updatetime": False,
        "retries": config.retries,
        "fragment_retries": config.retries,
        "socket_timeout": config.socket_timeout_s,
        "extractor_args": config.extractor_args,
    }
    if (proxy := secrets.proxy or config.proxy) is not None:
        options["proxy"] = proxy
    if secrets.cookies is not None:
        options["cookiefile"] = str(secrets.cookies)
    if config.rate_limit_kib_s is not None:
        options["ratelimit"] = config.rate_limit_kib_s * 1024
    return options


def _progress(config: DownloadConfig, tick: Callable[[int], None]) -> Callable[[Info], None]:
    seen = 0

    def hook(status: Info) -> None:
        nonlocal seen
        arrived = status.get("downloaded_bytes") or 0
        size = max(arrived, status.get("total_bytes") or 0)
        if reason := too_large(size, config):
            raise TooLargeError(reason)
        moved, seen = max(0, arrived - seen), arrived
        tick(moved)

    return hook


def too_large(size_bytes: float, config: DownloadConfig) -> str | None:
    """Return why a file of this size is not wanted, or None."""
    limit = config.max_size_mib
    if limit is not None and size_bytes > limit * 1024 * 1024:
        return f"larger than {limit} MiB"
    return None


class _Translated:
    """Turns what yt-dlp raises inside the ``with`` block into our errors."""

    def __init__(self, site: str, secrets: SiteSecrets) -> None:
        self.site = site
        self.secrets = secrets

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, (YoutubeDLError, OSError)):
            raise translate(error, site=self.site, hide=self.secrets.hide) from error


def translate(error: BaseException, *, site: str, hide: Callable[[str], str]) -> MinerError | OSError:
    """Say what a failure of yt-dlp means for the item; one of the storage stays what it is.

    Args:
        error: what yt-dlp raised.
        site: that was asked.
        hide: takes secrets out of a text.
    """
    text = hide(_NOISE.sub("", str(error)).strip()) or type(error).__name__
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OSError) and is_storage_fault(cause) and not isinstance(cause, TransportError):
            return OSError(cause.errno, cause.strerror, cause.filename or "output directory")
    if _BOT.search(text):
        return SiteBlockedError(text, site=site)
    for cause in causes:
        if isinstance(cause, HTTPError):
            return _http(cause, text, site)
    return _verdict(causes, text)


def _verdict(causes: list[BaseException], text: str) -> MinerError:
    if _EMPTY in text:
        return PermanentError("the site sent an empty file (0 bytes)")
    if any(isinstance(cause, TransportError) for cause in causes):
        return RetryableError(text)
    for cause in causes:
        final = isinstance(cause, (GeoRestrictedError, UnsupportedError))
        if final or (isinstance(cause, ExtractorError) and cause.expected):
            return PermanentError(text)
    return RetryableError(text)


def _http(error: HTTPError, text: str, site: str) -> MinerError:
    text = text if str(error.status) in text else f"{text} (HTTP {error.status})"
    if error.status in _BLOCKED:
        return SiteBlockedError(text, site=site)
    if error.status >= _SERVER_ERROR:
        return RetryableError(text)
    return PermanentError(f"redirects lead nowhere: {text}" if error.status in _REDIRECT else text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything that led to it, outermost first."""
    queue, seen = [error], set[int]()
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        info = getattr(current, "exc_info", None)
        wrapped = info[1] if isinstance(current, (DownloadError, ExtractorError)) and info else None
        for cause in (wrapped, getattr(current, "cause", None), current.__cause__, current.__context__):
            if isinstance(cause, BaseException):
                queue.append(cause)


class _Log:
    """yt-dlp's messages in our log. Errors come as exceptions, so here they are details."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("data_miner.fetch.yt_dlp")

    def debug(self, message: str) -> None:
        self._logger.debug(message)

    def info(self, message: str) -> None:
        self._logger.debug(message)

    def warning(self, message: str) -> None:
        self._logger.info(message)

    def error(self, message: str) -> None:
        self._logger.info(message)
