"""Gives yt-dlp the search key ``labsearch``, so that searching the lab's site is searching any other site."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from yt_dlp.extractor.common import SearchInfoExtractor
from yt_dlp.utils import ExtractorError


class LabSearchIE(SearchInfoExtractor):  # type: ignore[misc]
    """Asks the site that ``extractor_args`` names: ``{labsearch: {site: [URL]}}``.

    With ``pause_s: [SECONDS]`` it takes its time first, as sites do that throttle.
    """

    IE_NAME = "lab:search"
    _SEARCH_KEY = "labsearch"
    _MAX_RESULTS = 100

    def _search_results(self, query: str) -> Iterator[dict[str, Any]]:
        (site,) = self._configuration_arg("site", [""], ie_key="labsearch", casesense=True)
        if not site:
            raise ExtractorError("extractor_args.labsearch.site names no site", expected=True)
        (pause_s,) = self._configuration_arg("pause_s", ["0"], ie_key="labsearch")
        time.sleep(float(pause_s))
        found = self._download_json(
            f"{site}/search",
            query,
            query={"q": query, "limit": self._MAX_RESULTS},
            note="Searching the lab's site",
        )
        for clip in found:
            yield self.url_result(
                clip["url"],
                video_title=clip["title"],
                description=clip["description"],
                duration=clip["duration"],
                tags=clip["tags"],
            )
