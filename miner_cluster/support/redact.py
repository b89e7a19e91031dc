"""Taking secrets out of texts: those that are known, however they are encoded, and what looks like one."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator

REMOVED = "[removed]"
#: shorter values are words that stand everywhere, and protect nothing
_SHORTEST = 9
#: lines of a longer secret, such as a configuration with keys in it, are secrets of their own
_SHORTEST_LINE = 16

_LOOKS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"K10[0-9a-f]{64}::[\w.:-]+"),
    re.compile(r"\bhf_[A-Za-z0-9]{8,}"),
    re.compile(r"\beyJ[\w-]{6,}\.[\w-]{8,}\.[\w-]+"),
    re.compile(r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{8,}"),
)


#: a setting that is called like one, in YAML, JSON, a command or an address of rclone's
_SETTING = re.compile(
    r"""((?:password|passwd|\bpass|secret|\btoken|access_key)["']?\s{0,3}[=:]\s{0,3}["']?)"""
    r"""[^\s,;{}\[\]"'][^\s,;}"']{3,}""",
    re.IGNORECASE,
)


class Redactor:
    """Knows what must not be shown."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for part in _parts(secret) for form in forms(part)}
        # The longest first, so that a secret that holds another one goes whole.
        ordered = sorted(found, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def clean(self, text: str) -> str:
        """Return a text without secrets."""
        if self._known is not None:
            text = self._known.sub(REMOVED, text)
        for pattern in _LOOKS:
            text = pattern.sub(REMOVED, text)
        return _SETTING.sub(rf"\g<1>{REMOVED}", text)


def forms(secret: str) -> set[str]:
    """Return how a secret may stand in a text: as it is, escaped, or within something in Base64."""
    plain = {secret, json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe=""), repr(secret)[1:-1]}
    return plain | set(_base64(secret.encode()))


def _parts(secret: str) -> Iterator[str]:
    text = secret.strip()
    if len(text) >= _SHORTEST:
        yield text
    if "\n" in text:
        yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= _SHORTEST_LINE)
    yield from (match for match in re.findall(r'"([^"\n]+)"', text) if len(match) >= _SHORTEST_LINE)


def _base64(secret: bytes) -> Iterator[str]:
    """Yield what stands in Base64 wherever the secret begins in the text that was encoded.

    Three places make a difference. Characters that hold bits of what stands around it are left out.
    """
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        first = -(-before * 8 // 6)
        bits = (before + len(secret)) * 8
        inner = encoded[first : bits // 6]
        if len(inner) >= _SHORTEST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
