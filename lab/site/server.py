#!/usr/bin/env python3
"""The lab's video site: real clips over HTTP, with search, pages, and a playlist.

    server.py DIRECTORY [--host 0.0.0.0] [--port 8000]

DIRECTORY holds the clips and an index.json, a list of objects with the keys id, file, title, description,
tags, duration (seconds), upload_date (YYYYMMDD) and uploader. Needs the standard library only.

Paths: / and /watch/ID for people and for extractors (JSON-LD), /search?q=WORDS&limit=N (JSON), /playlist.rss,
/clips/FILE (with byte ranges), /healthz.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

Clip = dict[str, Any]
CHUNK = 1 << 16
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}}</style>
{head}</head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


class ClipMissingError(Exception):
    """The index names a file that is not there."""


def load_clips(directory: Path) -> list[Clip]:
    """Read the index.

    Raises:
        ClipMissingError: it names a file that the directory does not have.
    """
    clips: list[Clip] = json.loads((directory / "index.json").read_text("utf-8"))
    for clip in clips:
        if not (directory / clip["file"]).is_file():
            raise ClipMissingError(f"{directory / 'index.json'}: {clip['file']} is not there")
    return clips


def words(text: str) -> set[str]:
    """Return the words of a text, without case; a plural counts as its singular."""
    return {word.removesuffix("s") for word in re.findall(r"\w+", text.lower())}


def search(clips: list[Clip], query: str) -> list[Clip]:
    """Return the clips that have a word of the query, those with more of them first."""
    wanted = words(query)
    scored = [
        (len(wanted & words(f"{clip['title']} {clip['description']} {' '.join(clip['tags'])}")), clip)
        for clip in clips
    ]
    return [clip for score, clip in sorted(scored, key=lambda pair: -pair[0]) if score]


def json_ld(clip: Clip, base: str) -> str:
    """Return a clip's metadata as search engines and extractors read it."""
    date = clip["upload_date"]
    data = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "name": clip["title"],
        "description": clip["description"],
        "keywords": clip["tags"],
        "duration": f"PT{clip['duration']}S",
        "uploadDate": f"{date[:4]}-{date[4:6]}-{date[6:]}",
        "author": {"@type": "Person", "name": clip["uploader"]},
        "contentUrl": f"{base}/clips/{quote(clip['file'])}",
        "thumbnailUrl": [],
    }
    return json.dumps(data).replace("<", "\\u003c")


def watch_page(clip: Clip, base: str) -> str:
    """Return the page of one clip. It has no <video>, which extractors would prefer to the richer JSON-LD."""
    return PAGE.format(
        title=html.escape(clip["title"]),
        head=f'<script type="application/ld+json">{json_ld(clip, base)}</script>',
        body=f'<p><a href="/clips/{quote(clip["file"])}">Play</a> ({clip["duration"]} s)</p>'
        f"<p>{html.escape(clip['description'])}</p><p>by {html.escape(clip['uploader'])}</p>",
    )


def front_page(clips: list[Clip]) -> str:
    """Return the list of all clips."""
    items = "".join(
        f'<li><a href="/watch/{quote(clip["id"])}">{html.escape(clip["title"])}</a></li>' for clip in clips
    )
    return PAGE.format(
        title="Videos of the lab",
        head="",
        body=f"<p>Real clips from the lab's own site, a stand-in for a video platform.</p><ul>{items}</ul>",
    )


def playlist(clips: list[Clip], base: str) -> str:
    """Return all clips as an RSS feed; each item links to the clip's page."""
    items = "".join(
        f"<item><title>{escape(clip['title'])}</title><link>{base}/watch/{quote(clip['id'])}</link></item>"
        for clip in clips
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>All clips</title><link>{base}/</link>{items}</channel></rss>"
    )


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte of a Range header; None when it asks for no range that the file has."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size - 1
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end else None


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    server_version = "lab-site"

    def __init__(self, *args: Any, directory: Path, clips: list[Clip]) -> None:
        self.directory, self.clips = directory, clips
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with headers and content."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer with headers."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        url = urlsplit(self.path)
        base = f"http://{self.headers.get('Host', 'localhost')}"
        first, _, rest = url.path.strip("/").partition("/")
        clip = next((clip for clip in self.clips if rest in {clip["id"], quote(clip["id"])}), None)
        match first:
            case "":
                self._send(front_page(self.clips), "text/html", body=body)
            case "watch" if clip:
                self._send(watch_page(clip, base), "text/html", body=body)
            case "search":
                asked = parse_qs(url.query)
                found = search(self.clips, " ".join(asked.get("q", [])))
                limit = int(next(iter(asked.get("limit", [])), "50"))
                entries = [dict(clip, url=f"{base}/watch/{quote(clip['id'])}") for clip in found[:limit]]
                self._send(json.dumps(entries), "application/json", body=body)
            case "playlist.rss":
                self._send(playlist(self.clips, base), "application/rss+xml", body=body)
            case "clips" if any(unquote(rest) == clip["file"] for clip in self.clips):
                self._send_file(self.directory / unquote(rest), body=body)
            case "healthz":
                self._send("ok\n", "text/plain", body=body)
            case _:
                self._send("no such page\n", "text/plain", body=body, status=HTTPStatus.NOT_FOUND)

    def _send(self, text: str, kind: str, *, body: bool, status: HTTPStatus = HTTPStatus.OK) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _send_file(self, path: Path, *, body: bool) -> None:
        size = path.stat().st_size
        asked = self.headers.get("Range", "")
        part = byte_range(asked, size)
        if asked and part is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last = part or (0, size - 1)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
        self.send_header("Content-Type", "video/mp4" if path.suffix == ".mp4" else "video/mpeg")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if part:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if body:
            self._copy(path, first, last - first + 1)

    def _copy(self, path: Path, first: int, length: int) -> None:
        with path.open("rb") as file:
            file.seek(first)
            while length > 0 and (chunk := file.read(min(CHUNK, length))):
                self.wfile.write(chunk)
                length -= len(chunk)


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104 - the lab's machines are its visitors
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    try:
        clips = load_clips(options.directory)
    except (OSError, ValueError, ClipMissingError) as error:
        sys.exit(f"lab site: {error}")
    handler = partial(Handler, directory=options.directory, clips=clips)
    server = ThreadingHTTPServer((options.host, options.port), handler)
    print(f"{len(clips)} clips at http://{options.host}:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
