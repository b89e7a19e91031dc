"""Logins in addresses: everybody who reads a configuration or a dataset would have them."""

from __future__ import annotations

import re

LOGIN_SHOWN = "holds a login, which all who read the configuration would see"
NO_LOGIN_HINT = "take it out; a site that wants one gets cookies: set DOWNLOAD_COOKIES_FILE in .env"
_LOGIN = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)


def has_login(url: str) -> bool:
    """Tell whether there is a user, perhaps with a password, before the host."""
    return _LOGIN.match(url) is not None


def without_login(url: str) -> str:
    """Return an address without the user before its host."""
    return _LOGIN.sub(r"\1", url)
