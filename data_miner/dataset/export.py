"""Writing a dataset to a directory: whole, or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from data_miner.dataset.coco import IMAGES, coco
from data_miner.dataset.documents import card, config_text, contact_sheet
from data_miner.dataset.formats import Format
from data_miner.dataset.gather import Dataset, DatasetFrame
from data_miner.errors import MinerError
from data_miner.store import sync_directory, sync_files

#: what every export has, written last; tells it from other directories
SUMMARY = "dataset.json"
#: what a directory has that is not complete: no other one is ever cleared
_UNFINISHED = ".unfinished-export"


def export(
    dataset: Dataset,
    target: Path,
    formats: Sequence[Format],
    *,
    link: bool = False,
    replace: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write a dataset to a directory of its own and return what its summary says.

    It is written beside the target and moved there when it is complete.

    Args:
        dataset: what to write.
        target: the directory; made here.
        formats: what to write it as.
        link: the pictures to those in the store, where that can be; whoever edits one edits the store.
        replace: an earlier export at the same place.
        tick: called for each picture.

    Raises:
        MinerError: something is in the way.
    """
    target = target.absolute()
    if not replace and target.exists():
        raise MinerError(f"{target} exists; choose another directory, or --replace an earlier export there")
    if target.exists() and not (target / SUMMARY).is_file():
        raise MinerError(f"{target} holds no earlier export ({SUMMARY}), so it is not replaced")
    try:
        with _unfinished(target.with_name(f"{target.name}.partial")) as partial:
            summary = _write(dataset, partial, formats, link=link, tick=tick)
            _move(partial, target)
            (target / _UNFINISHED).unlink()
    except OSError as error:
        raise MinerError(f"{error.filename or target}: {error.strerror}; {target} is as it was") from error
    return summary


@contextmanager
def _unfinished(partial: Path) -> Iterator[Path]:
    """Make an empty directory that is ours alone, in place of what an interrupted export left there.

    Raises:
        MinerError: it is something else, or another export writes to it.
    """
    mark = partial / _UNFINISHED
    if partial.exists() and not mark.is_file() and any(partial.iterdir()):
        raise MinerError(f"{partial} is in the way, and is no interrupted export: move it elsewhere")
    partial.mkdir(parents=True, exist_ok=True)
    with mark.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MinerError(f"another export writes to {partial}: wait for it") from error
        for entry in partial.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry != mark:
                entry.unlink()
        yield partial


def _write(
    dataset: Dataset, directory: Path, formats: Sequence[Format], *, link: bool, tick: Callable[[], None]
) -> dict[str, Any]:
    if Format.COCO in formats:
        images = directory / IMAGES
        images.mkdir()
        for frame in dataset.frames:
            _add_image(frame, images / frame.name, link=link)
            tick()
        (directory / "annotations.json").write_text(json.dumps(coco(dataset)), "utf-8")
    if Format.PARQUET in formats:
        from data_miner.dataset.tables import write_parquet  # noqa: PLC0415 - pyarrow is slow to import

        write_parquet(dataset, directory / "frames.parquet")
    if Format.HTML in formats:
        (directory / "contact_sheet.html").write_text(contact_sheet(dataset), "utf-8")
    (directory / "README.md").write_text(card(dataset), "utf-8")
    (directory / "config.yaml").write_text(config_text(dataset), "utf-8")
    summary = {
        "project": dataset.config.project,
        "config_hash": dataset.config_hash,
        "created_at": dataset.created_at.isoformat(),
        "formats": [one.value for one in formats],
        "frames": len(dataset.frames),
        "videos": dataset.videos,
        "objects": sum(len(frame.objects) for frame in dataset.frames),
    }
    (directory / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    sync_files(file for file in directory.iterdir() if file.is_file())
    sync_directory(directory)
    return summary


def _add_image(frame: DatasetFrame, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(frame.source, target)
        except OSError:  # another file system, or one that knows no links
            pass
        else:
            return
    shutil.copyfile(frame.source, target)


def _move(partial: Path, target: Path) -> None:
    """Put a complete export in place; an earlier one goes when the new one is there, and not before."""
    old = target.with_name(f"{target.name}.old-{uuid4().hex[:8]}")
    if target.exists():
        target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    sync_directory(target.parent)
    shutil.rmtree(old, ignore_errors=True)
