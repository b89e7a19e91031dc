"""What a site may ask of us and nobody else may see: cookies, and a proxy with its password.

On a cluster a Secret is mounted as files, so that new cookies count for the next video without a restart.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

#: names the directory with the files ``cookies.txt`` and ``proxy``, each of which may be missing
DIRECTORY_VARIABLE = "DATA_MINER_SITE_SECRETS"
COOKIES, PROXY = "cookies.txt", "proxy"
_HIDDEN = "…"


@dataclass(frozen=True, kw_only=True)
class SiteSecrets:
    """Cookies and a proxy, as far as there are any."""

    #: in Netscape's format; a copy that may be written to
    cookies: Path | None = None
    proxy: str | None = None

    def hide(self, text: str) -> str:
        """Return a text without the proxy's address and password, for logs and the database."""
        if self.proxy is None:
            return text
        parts = urlsplit(self.proxy)
        for secret in (self.proxy, parts.netloc, parts.password):
            text = text.replace(secret, _HIDDEN) if secret else text
        return text


@contextmanager
def site_secrets() -> Iterator[SiteSecrets]:
    """Yield what there is now. The copy of the cookies is readable for us alone, and goes at the end."""
    directory = Path(os.environ.get(DIRECTORY_VARIABLE) or os.devnull)
    proxy_file, cookies_file = directory / PROXY, directory / COOKIES
    proxy = proxy_file.read_text("utf-8").strip() if proxy_file.is_file() else ""
    if not cookies_file.is_file() or not cookies_file.stat().st_size:
        yield SiteSecrets(proxy=proxy or None)
        return
    with tempfile.TemporaryDirectory(prefix="cookies-") as private:
        copy = Path(private) / COOKIES
        shutil.copyfile(cookies_file, copy)
        yield SiteSecrets(cookies=copy, proxy=proxy or None)
