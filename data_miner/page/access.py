"""Who may change something: whoever has the token, by a session or a header; never another site's form.

A session is a time of its beginning with a signature, so it outlives a restart. Nothing secret reaches a log.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

COOKIE = "dm_session"
#: of a hidden field in each form
FIELD = "form_token"
SESSION_S = 8 * 3600
_BEARER = "Bearer "


@dataclass(frozen=True, kw_only=True)
class Access:
    """Checks who asks.

    Args:
        token: what must be known; None where nobody may change anything.
    """

    token: str | None

    @property
    def _key(self) -> bytes:
        return hashlib.sha256(f"data-miner page {self.token}".encode()).digest()

    def knows(self, given: str) -> bool:
        """Tell whether somebody has the token."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def new_session(self) -> str:
        """Return the value of a cookie that stands for the token for some hours."""
        body = f"{int(time.time())}.{secrets.token_urlsafe(12)}"
        return f"{body}.{self._sign('session', body)}"

    def session(self, request: Request) -> str | None:
        """Return the session of a request, if it has a valid one."""
        value = request.cookies.get(COOKIE, "")
        body, _, signature = value.rpartition(".")
        started = body.partition(".")[0]
        valid = self.token is not None and hmac.compare_digest(
            signature.encode(), self._sign("session", body).encode()
        )
        if not valid or not started.isdecimal() or not 0 <= time.time() - int(started) < SESSION_S:
            return None
        return value

    def form_token(self, session: str) -> str:
        """Return what a form of this session carries, and no other site knows."""
        return self._sign("form", session)

    def may_change(self, request: Request, form: dict[str, str]) -> bool:
        """Tell whether a request may change something."""
        header = request.headers.get("authorization", "")
        if header.startswith(_BEARER):
            return self.knows(header.removeprefix(_BEARER))
        session = self.session(request)
        if session is None or not from_here(request):
            return False
        given = form.get(FIELD, "")
        return hmac.compare_digest(given.encode(), self.form_token(session).encode())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose} {text}".encode(), hashlib.sha256).hexdigest()


def from_here(request: Request) -> bool:
    """Tell whether a form was sent by a page of ours, as browsers say; what says nothing is no browser."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
