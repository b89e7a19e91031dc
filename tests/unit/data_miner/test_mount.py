"""The shared mount: whether it is there, and whether it is the one that work began on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from data_miner import mount
from data_miner.errors import PermanentError, UnreadableError
from data_miner.mount import StorageAwayError, fuse_mounts
from data_miner.store import Store

LINE = "{number} 29 {major}:{minor} / {point} rw,nosuid shared:9 - {kind} weed rw\n"


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (["fuse.seaweedfs"], True),
        (["fuse"], True),
        (["ext4"], False),
        (["fusectl"], False),
        (["ext4", "fuse.seaweedfs"], True),
        (["fuse.seaweedfs", "tmpfs"], False),
    ],
)
def test_the_uppermost_mount_counts(kinds: list[str], *, found: bool) -> None:
    text = "".join(
        LINE.format(number=30 + n, major=0, minor=50 + n, point="/a\\040b", kind=kind)
        for n, kind in enumerate(kinds)
    )
    assert fuse_mounts(text) == ({"/a b"} if found else set())


Mount = Callable[[int | None], None]


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mount:
    """Make the kernel's table say that a directory is a mount of a device, or none; first its own."""
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(mount, "MOUNTINFO", table)

    def say(device: int | None) -> None:
        point = tmp_path / "shared"
        line = "" if device is None else LINE
        table.write_text(
            line.format(
                number=40,
                major=os.major(device or 0),
                minor=os.minor(device or 0),
                point=point,
                kind="fuse.seaweedfs",
            )
        )

    (tmp_path / "shared").mkdir()
    say((tmp_path / "shared").stat().st_dev)
    return say


@pytest.fixture
def store(tmp_path: Path, mounted: Mount) -> Store:
    return Store(tmp_path / "shared" / "out", mount=tmp_path / "shared")


def test_work_on_one_and_the_same_mount_counts(store: Store) -> None:
    with store.faults():
        store.check()
    with pytest.raises(PermanentError), store.faults():
        raise PermanentError("the item's own fault")


@pytest.mark.parametrize("device", [None, 7])
def test_nothing_is_kept_after_the_mount_was_away(store: Store, mounted: Mount, device: int | None) -> None:
    def keep() -> None:
        mounted(device)
        store.check()

    with pytest.raises(StorageAwayError), store.faults():
        keep()


def test_work_that_ended_well_on_another_mount_does_not_count(store: Store, mounted: Mount) -> None:
    with pytest.raises(StorageAwayError, match="went away during the work"), store.faults():
        mounted(7)


@pytest.mark.parametrize(
    "error",
    [PermanentError("not a readable video"), FileNotFoundError(errno.ENOENT, "no such file"), ValueError()],
)
def test_an_item_is_not_blamed_for_what_a_mount_that_went_did(
    store: Store, mounted: Mount, error: Exception
) -> None:
    def fail() -> None:
        mounted(None)
        raise error

    with pytest.raises(StorageAwayError), store.faults():
        fail()


def test_the_next_work_begins_anew(store: Store, mounted: Mount) -> None:
    own = store.root.parent.stat().st_dev
    with pytest.raises(StorageAwayError), store.faults():
        mounted(7)
    mounted(own)
    with store.faults():
        store.check()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOTCONN, errno.ENOSPC])
def test_errors_of_the_storage_are_told_from_others(tmp_path: Path, number: int) -> None:
    plain = Store(tmp_path, mount=None)
    (tmp_path / "tmp").write_text("so nothing else can be stored either")
    with pytest.raises(StorageAwayError), plain.faults():
        raise OSError(number, "away")
    with pytest.raises(PermissionError), plain.faults():
        raise PermissionError(errno.EACCES, "no")


def test_a_file_that_cannot_be_read_is_told_from_a_storage_that_is_away(store: Store, mounted: Mount) -> None:
    def read() -> None:
        raise OSError(errno.EIO, "Input/output error", "a")

    with (
        pytest.raises(UnreadableError, match="a: Input/output error, though the storage answers"),
        store.faults(),
    ):
        read()
    assert not list((store.root / "tmp").iterdir())
    mounted(None)
    with pytest.raises(StorageAwayError), store.faults():
        read()
