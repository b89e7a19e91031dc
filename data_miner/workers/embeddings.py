"""The embeddings of a video's frames: computed once for each model, then read from the store."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_miner.errors import PermanentError
from data_miner.frames import frame_path, frame_times, read_frame
from data_miner.models.provider import Vectors
from data_miner.mount import naming
from data_miner.queue.items import params_hash
from data_miner.store import Store
from data_miner.threads import Threads, batches
from data_miner.workers.job import Job

#: pictures are decoded at about twice the side that the models look at: no larger, for memory and time
_SIDE = 512


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Of the frames of one video."""

    times_ms: list[int]
    #: unit vectors, a row for each time
    vectors: Vectors

    def at(self, times_ms: list[int]) -> Vectors:
        """Return the rows of some of the frames."""
        rows = {time_ms: row for row, time_ms in enumerate(self.times_ms)}
        return self.vectors[[rows[time_ms] for time_ms in times_ms]]


def frame_embeddings(job: Job, video: str, frames_hash: str, model: str, *, batch_size: int) -> Embeddings:
    """Return a model's embeddings of all frames of a video, from the store where another item made them.

    Raises:
        NotReadyError: they must be computed, and the model can't be had now.
        RetryableError: the frames are not in the store.
        PermanentError: there are no frames.
    """
    target = job.store.embeddings_path(video, frames_hash, params_hash({"model": model}))
    if (found := _read(job.store, target)) is not None:
        return found
    directory = job.store.frames_path(video, frames_hash)
    times_ms = frame_times(directory)
    if not times_ms:
        raise PermanentError(f"{directory}: holds no frames")
    matcher = job.models.matcher(model)

    def prepare(time_ms: int) -> Any:
        return matcher.prepare(read_frame(frame_path(directory, time_ms), side=_SIDE))

    rows = []
    with Threads() as threads:
        for prepared in batches(threads.ahead(prepare, times_ms), batch_size):
            rows.append(matcher.embed(prepared))
            job.tick()
    # float16 keeps three digits of a cosine, and is what the comparison of frames works with anyway.
    vectors = np.concatenate(rows).astype(np.float16)
    file = job.workspace() / "embeddings.npz"
    with file.open("wb") as stream:
        np.savez(stream, times_ms=np.array(times_ms, np.int32), vectors=vectors)
    job.store.add_file(file, target)
    return Embeddings(times_ms=times_ms, vectors=vectors.astype(np.float32))


def _read(store: Store, file: Path) -> Embeddings | None:
    """Return what is in a file; None where it must be made again, being damaged, lost or not there."""
    try:
        with naming(file), file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return Embeddings(
                times_ms=arrays["times_ms"].tolist(), vectors=arrays["vectors"].astype(np.float32)
            )
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, KeyError):
        return None
    except OSError as error:
        if not store.is_lost(error):
            raise
        return None
