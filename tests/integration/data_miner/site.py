"""A video site on the loopback interface, with the faults that real ones have."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import av
import numpy as np


def make_video(
    *, seconds: float = 2, fps: int = 10, width: int = 64, height: int = 48, shade: int = 0
) -> bytes:
    """A little mp4 of moving grey; another shade makes other bytes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(round(seconds * fps)):
            picture = np.full((height, width, 3), (number * 7 + shade) % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def make_audio() -> bytes:
    """An mp4 without a picture."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


@dataclass
class Page:
    """What the site has at one path."""

    body: bytes
    kind: str = "video/mp4"
    status: int = 200
    #: bytes of the body sent each second, None for all at once
    speed: float | None = None
    #: where a redirect leads
    location: str | None = None
    #: the connection ends after this many bytes, each time
    cut_at: int | None = None
    #: seconds without an answer
    silent_s: float = 0


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: tests kill them."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass
class Site:
    """Serves pages; use it as a context."""

    pages: dict[str, Page] = field(default_factory=dict)
    #: (path, Range header) of each GET request
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    #: Cookie header of each GET request
    cookies: list[str | None] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                with site.changed:
                    site.requests.append((self.path, self.headers.get("Range")))
                    site.cookies.append(self.headers.get("Cookie"))
                    site.changed.notify_all()
                self._answer(body=True)

            def _answer(self, *, body: bool) -> None:
                page = site.pages.get(self.path.partition("?")[0], Page(b"no such page", "text/plain", 404))
                if page.silent_s:
                    site.end.wait(page.silent_s)
                content, status, start = page.body, page.status, 0
                match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if match and status == 200:
                    start, status = int(match[1]), 206
                    content = content[start:]
                self.send_response(status)
                self.send_header("Content-Type", page.kind)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Accept-Ranges", "bytes")
                if page.location is not None:
                    self.send_header("Location", page.location)
                if status == 206:
                    self.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
                self.end_headers()
                if body:
                    self._send(content[: page.cut_at], page)
                    self.close_connection = page.cut_at is not None

            def _send(self, content: bytes, page: Page) -> None:
                step = len(content) or 1 if page.speed is None else max(1, round(page.speed / 20))
                for start in range(0, len(content), step):
                    try:
                        self.wfile.write(content[start : start + step])
                        self.wfile.flush()
                    except OSError:
                        return
                    if page.speed is not None:
                        time.sleep(1 / 20)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, path: str, body: bytes, **options: Any) -> str:
        """Put a page up and return its URL."""
        self.pages[path] = Page(body, **options)
        return self.url + path

    def add_feed(self, path: str, urls: list[tuple[str, str]]) -> str:
        """Put up an RSS feed of (title, URL of a video)."""
        items = "".join(
            f"<item><title>{title}</title><link>{url}</link>"
            f'<enclosure url="{url}" type="video/mp4" length="1"/></item>'
            for title, url in urls
        )
        feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>f</title>{items}</channel></rss>'
        return self.add(path, feed.encode(), kind="application/rss+xml")

    def fetched(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked == path for asked, _ in self.requests)
