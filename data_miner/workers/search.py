"""The search stage: turns a search, a playlist or a URL into download items."""

from __future__ import annotations

from itertools import islice
from typing import Any

from data_miner.config import AppConfig, Stage
from data_miner.fetch import Info, list_videos, search_site, site_of
from data_miner.queue.items import NewItem, Outcome
from data_miner.workers import download
from data_miner.workers.job import Job

#: found before anything is downloaded, so that a newcomer soon sees how much there is to do
PRIORITY = 10

#: bytes; an entry of an index has room for 2,700, with the project's name
_MAX_KEY = 2000


def items_for(config: AppConfig) -> list[NewItem]:
    """Return the search items that a project's configuration asks for."""
    limit, rules = config.search.max_results_per_query, download.rules(config.download)
    prefix = config.search.prefix
    sources = [
        (f"{prefix}:{query}", f"{prefix}{limit}:{query}", search_site(prefix))
        for query in config.search.queries
    ]
    sources += [(f"playlist:{url}", url, site_of(url)) for url in config.playlists]
    sources += [(f"url:{url}", url, site_of(url)) for url in config.urls]
    return [
        NewItem(
            project=config.project,
            stage=Stage.SEARCH,
            key=key,
            params={"limit": limit if key.startswith(f"{prefix}:") else None, **rules},
            payload={"source": source},
            site=site,
            priority=PRIORITY,
        )
        for key, source, site in sources
    ]


def run(job: Job) -> Outcome:
    """List what a source offers, and queue what is wanted of it.

    Raises:
        RetryableError, SiteBlockedError, PermanentError: the site does not tell.
    """
    config, item = job.config, job.item
    found: dict[str, NewItem] = {}
    rejected: list[dict[str, str]] = []
    entries = list_videos(item.payload["source"], config.download, site=item.site or "")
    for entry in islice(entries, item.params.get("limit")):
        job.tick()
        url = _url(entry, item.payload["source"])
        new = download.item_for(config, key=video_key(entry, url), url=url)
        if (address := new.key + url) != download.storable(address):
            unstorable = "its address holds characters that no database takes"
            rejected.append({"key": download.storable(new.key), "reason": unstorable})
        elif len(new.key.encode()) > _MAX_KEY:
            rejected.append({"key": new.key, "reason": "its address is too long for the queue"})
        elif reason := download.rejection(entry, config.download):
            rejected.append({"key": new.key, "reason": reason})
        else:
            found[new.key] = new
    result: dict[str, Any] = {"found": len(found), "rejected": rejected}
    return Outcome(result=result, next_items=list(found.values()))


def video_key(entry: Info, url: str) -> str:
    """Return what stands for a video: its site's own id where there is one, else its URL."""
    extractor = entry.get("ie_key") or entry.get("extractor_key")
    if extractor and extractor != "Generic" and entry.get("id"):
        return f"{extractor.lower()}:{entry['id']}"
    return f"url:{url.partition('#')[0]}"


def _url(entry: Info, source: str) -> str:
    """Return the page of an entry; one that came whole, with its formats, lies on the source's own page."""
    if entry.get("_type") in {"url", "url_transparent"}:
        return str(entry["url"])
    return str(entry.get("webpage_url") or source)
