"""What is in the store is what its name says."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from data_miner import store
from data_miner.store import Store

CONTENT = b"the bytes of a video"


def stored(root: Path, content: bytes = CONTENT) -> Path:
    """Add a video and return where it lies."""
    download = root / "media.mp4"
    download.write_bytes(content)
    added = Store(root, mount=None).add_video(download, extension="mp4", tick=lambda: None)
    assert not download.exists()
    assert added.size_bytes == len(content)
    return root / added.path


def test_the_same_bytes_again_change_nothing_for_those_who_read_them(tmp_path: Path) -> None:
    path = stored(tmp_path)
    before = path.stat().st_ino
    assert stored(tmp_path) == path
    assert (path.stat().st_ino, path.read_bytes()) == (before, CONTENT)


@pytest.mark.parametrize("there", [CONTENT[::-1], CONTENT[:-1], b""])
def test_a_file_that_is_not_what_its_name_says_is_replaced(tmp_path: Path, there: bytes) -> None:
    """After a restore a name may be there whose pieces are not."""
    path = stored(tmp_path)
    path.write_bytes(there)
    assert stored(tmp_path).read_bytes() == CONTENT


def test_a_file_that_cannot_be_read_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path)
    whole = store._digest

    def lost(stream: BinaryIO, tick: Callable[[], None]) -> str:
        if stream.name == str(path):
            raise OSError(errno.EIO, "its pieces are gone")
        return whole(stream, tick)

    monkeypatch.setattr(store, "_digest", lost)
    before = path.stat().st_ino
    assert stored(tmp_path).stat().st_ino != before
