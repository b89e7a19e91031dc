"""The content-addressed store: videos by their hash, frames by video and parameters, unfinished work apart.

    <output_dir>/videos/ab/<sha256>.mp4
    <output_dir>/frames/<sha256>/<parameters hash>/000012000.jpg   12.000 s into the video
    <output_dir>/embeddings/<sha256>/<parameters hash>/<hash of the model's name>.npz   of those frames
    <output_dir>/tmp/<stage>/<item id>/<lease token>/              removed when the item is finished

Everything appears under its final name by one rename, complete and synced.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from data_miner.errors import UnreadableError
from data_miner.mount import StorageAwayError, held, is_storage_fault, naming, require_mount

_CHUNK = 1 << 20

#: inside a directory of frames, says that it is complete
MANIFEST = "frames.json"


@dataclass(frozen=True, kw_only=True)
class StoredVideo:
    """A video in the store."""

    sha256: str
    #: relative to the output directory
    path: str
    size_bytes: int


class Store:
    """The output directory of a deployment, possibly on a shared mount that can go away.

    Args:
        root: the output directory.
        mount: the mount point that ``root`` must lie on, or None for a plain local directory.
    """

    def __init__(self, root: Path, *, mount: Path | None) -> None:
        self.root = root.absolute()
        self.mount = mount
        #: whether what was mounted when the work that goes on began is mounted still
        self._same: Callable[[], bool] = lambda: True

    def check(self) -> None:
        """Refuse to go on while the shared mount is away, so that no node's own disk fills up.

        Raises:
            StorageAwayError: it is not mounted or does not answer, or was mounted anew since the work began.
        """
        if self.mount is not None:
            require_mount(self.mount, self.root)
            self._require_same()

    def free_bytes(self) -> int | None:
        """Return how much more fits, or None where the file system does not say."""
        place = next(path for path in (self.root, *self.root.parents) if path.exists())
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize if found.f_blocks else None

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn errors that lie in the storage into StorageAwayError, around the work on one item.

        While a mount is replaced, files are missing and videos seem to end early, which looks like a fault of
        the item. So nothing that was found out meanwhile counts, and ``check`` refuses to keep it.

        Raises:
            StorageAwayError: the storage can't be used now, whichever item wants it.
            UnreadableError: it can, but not this item's file.
        """
        try:
            with held(self.mount) if self.mount else nullcontext(self._same) as self._same:
                try:
                    yield
                except Exception as error:
                    self._require_same(error)
                    raise
                self._require_same()
        except OSError as error:
            if self.is_lost(error):
                raise UnreadableError(
                    f"{error.filename or 'a file'}: {error.strerror}, though the storage answers: "
                    "its pieces are lost, or on a machine that is away"
                ) from error
            if is_storage_fault(error):
                raise StorageAwayError(f"{self.root}: {error.strerror}") from error
            raise
        finally:
            self._same = lambda: True

    def is_lost(self, error: OSError) -> bool:
        """Tell whether an error is that of one file: another one can be written and read again."""
        if error.errno != errno.EIO:
            return False
        content = os.urandom(64)
        try:
            self.check()
            parent = self.root / "tmp"
            parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=parent, prefix="probe-") as probe:
                probe.write(content)
                probe.flush()
                os.fsync(probe.fileno())
                return Path(probe.name).read_bytes() == content
        except (OSError, StorageAwayError):
            return False

    def _require_same(self, error: Exception | None = None) -> None:
        if not self._same():
            raise StorageAwayError(f"{self.mount} went away during the work") from error

    def workspace(self, stage: str, item_id: int, token: UUID) -> Path:
        """Make and return the working directory of one lease.

        What an earlier lease of the item left is copied, then removed: its worker may be frozen, not dead,
        and would go on writing to files that were only moved. A file that can't be read any more is left out.
        """
        self.check()
        parent = self.root / "tmp" / stage / str(item_id)
        mine = parent / str(token)
        mine.mkdir(parents=True, exist_ok=True)
        for other in parent.iterdir():
            if other != mine:
                for file in other.iterdir():
                    if file.is_file():
                        self._copy(file, mine / file.name)
                shutil.rmtree(other, ignore_errors=True)
        return mine

    def _copy(self, file: Path, target: Path) -> None:
        try:
            shutil.copyfile(file, target)
        except OSError as error:
            if not self.is_lost(error):
                raise
            target.unlink(missing_ok=True)

    def remove_workspace(self, stage: str, item_id: int) -> None:
        """Remove what an item's attempts left."""
        shutil.rmtree(self.root / "tmp" / stage / str(item_id), ignore_errors=True)

    def workspaces(self, stage: str) -> list[int]:
        """Return the items that have working files."""
        parent = self.root / "tmp" / stage
        if not parent.is_dir():
            return []
        return sorted(int(entry.name) for entry in parent.iterdir() if entry.name.isdigit())

    def video_path(self, sha256: str, extension: str) -> Path:
        """Return where a video with this content lies."""
        return self.root / "videos" / sha256[:2] / f"{sha256}.{extension}"

    def add_video(self, file: Path, *, extension: str, tick: Callable[[], None]) -> StoredVideo:
        """Move a finished download into the store; the same bytes again change nothing.

        Args:
            file: on the same file system as the store.
            extension: derived from the content, so that equal bytes get equal names.
            tick: called now and then.
        """
        with file.open("rb") as stream:
            sha256 = _digest(stream, tick)
            os.fsync(stream.fileno())
            size = stream.tell()
        target = self.video_path(sha256, extension)
        self.check()
        target.parent.mkdir(parents=True, exist_ok=True)
        if _adopted(target) and _holds(target, sha256, tick):
            file.unlink()
        else:
            file.replace(target)
            sync_directory(target.parent)
        return StoredVideo(sha256=sha256, path=str(target.relative_to(self.root)), size_bytes=size)

    def frames_path(self, sha256: str, params_hash: str) -> Path:
        """Return where the frames of a video with these parameters lie."""
        return self.root / "frames" / sha256 / params_hash

    def read_frames(self, sha256: str, params_hash: str) -> dict[str, Any] | None:
        """Return the manifest of a complete directory of frames, or None. The directory is taken over.

        One whose manifest is damaged or lost counts as incomplete: its frames are cut again.
        """
        directory = self.frames_path(sha256, params_hash)
        # The manifest too: the time of a directory changes also when something in it is removed.
        if not _adopted(directory) or not _adopted(directory / MANIFEST):
            return None
        try:
            with naming(directory / MANIFEST):
                manifest = json.loads((directory / MANIFEST).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            if not self.is_lost(error):
                raise
            return None
        return manifest if isinstance(manifest, dict) else None

    def add_frames(
        self, directory: Path, sha256: str, params_hash: str, manifest: dict[str, Any]
    ) -> dict[str, Any]:
        """Move a directory of frames into the store; returns the manifest of what is there now.

        If another worker was faster, its directory stays and ours is dropped. One without a manifest, such as
        pruning leaves, is filled up.
        """
        (directory / MANIFEST).write_text(json.dumps(manifest))
        sync_files(directory.iterdir())
        sync_directory(directory)
        target = self.frames_path(sha256, params_hash)
        self.check()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.rename(target)
        except OSError:
            if (present := self.read_frames(sha256, params_hash)) is not None:
                shutil.rmtree(directory, ignore_errors=True)
                return present
            if not target.is_dir():
                raise
            _fill(target, directory)
        sync_directory(target.parent)
        return manifest

    def embeddings_path(self, sha256: str, params_hash: str, model_hash: str) -> Path:
        """Return where a model's embeddings of a directory of frames lie."""
        return self.root / "embeddings" / sha256 / params_hash / f"{model_hash}.npz"

    def add_file(self, file: Path, target: Path) -> None:
        """Move a complete file to where it belongs, in place of what is there."""
        sync_files([file])
        self.check()
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        sync_directory(target.parent)


def _adopted(path: Path) -> bool:
    """Tell whether there is something, and give it a new time: then the collector of orphans leaves it."""
    try:
        os.utime(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _digest(stream: BinaryIO, tick: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        tick()
    return digest.hexdigest()


def _holds(path: Path, sha256: str, tick: Callable[[], None]) -> bool:
    """Tell whether a file can be read and is what its name says; a restored one may have lost its pieces."""
    try:
        with path.open("rb") as stream:
            return _digest(stream, tick) == sha256
    except OSError:
        return False


def _fill(target: Path, directory: Path) -> None:
    """Move files into a directory, the manifest last: only then is it taken for complete."""
    for file in sorted(directory.iterdir(), key=lambda file: (file.name == MANIFEST, file.name)):
        file.replace(target / file.name)
    sync_directory(target)
    directory.rmdir()


def sync_files(files: Iterable[Path]) -> None:
    """Flush files to the disk."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Flush a directory's entries to the disk."""
    sync_files([directory])
