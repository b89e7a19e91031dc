"""Where Debian's packages come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.artifacts.debian import mirror, sources

ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [trusted=yes] http://mirror.example/debian/ bookworm main
"""
PARAGRAPH = """\
Types: deb
# URIs: http://old.example/debian
URIs: https://mirror.example/debian
Suites: bookworm
"""
OTHERS = "deb http://archive.ubuntu.com/ubuntu noble main\ndeb http://mirror.example/debian-security x main\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE_LINE, "http://mirror.example/debian"),
        (PARAGRAPH, "https://mirror.example/debian"),
        (OTHERS, "http://deb.debian.org/debian"),
        ("", "http://deb.debian.org/debian"),
    ],
)
def test_the_archive_is_the_one_that_this_machine_uses(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "sources.list"
    file.write_text(text)
    assert mirror([file]) == expected


def test_fixes_come_with_the_release() -> None:
    assert sources("bookworm", "http://mirror.example/debian") == [
        "deb http://mirror.example/debian bookworm main",
        "deb http://mirror.example/debian bookworm-updates main",
        "deb http://mirror.example/debian-security bookworm-security main",
    ]
