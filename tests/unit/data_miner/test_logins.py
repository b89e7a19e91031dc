"""Logins in addresses are found wherever they stand."""

from __future__ import annotations

import pytest

from data_miner.logins import has_login, without_login


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("https://me:secret@site/a", "https://site/a"),
        ("http://me@site:8080?b=c@d", "http://site:8080?b=c@d"),
        ("socks5://me:p@ss@proxy:1", "socks5://proxy:1"),
        ("https://site/@user/video", None),
        ("https://site?mail=a@b", None),
        ("http://[broken", None),
    ],
)
def test_a_login_is_what_stands_before_the_host(url: str, rest: str | None) -> None:
    assert has_login(url) is (rest is not None)
    assert without_login(url) == (rest or url)
