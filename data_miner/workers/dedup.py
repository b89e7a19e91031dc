"""The dedup stage: compares the frames of a video with each other and with all others of the project."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

from data_miner.config.model import AppConfig, Stage
from data_miner.dedup.phash import perceptual_hash
from data_miner.dedup.search import Index, Limits, repeats_within
from data_miner.frames import frame_path, read_frame
from data_miner.queue.items import NewItem, Outcome
from data_miner.queue.records import Candidate, FramesCompared, KnownCandidate, Pair
from data_miner.workers import detect
from data_miner.workers.embeddings import Embeddings, frame_embeddings
from data_miner.workers.job import Job


@dataclass(kw_only=True)
class Catalogue:
    """The candidates of one scope that this worker knows, and where each is in the index."""

    scope: str
    index: Index
    rows: list[KnownCandidate] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The number of the newest candidate."""
        return self.rows[-1].number if self.rows else 0


def item_for(config: AppConfig, sha256: str, frames_hash: str, filter_hash: str) -> NewItem:
    """Return the dedup item of a video's frames. Those with equal parameters share a scope."""
    return NewItem(
        project=config.project,
        stage=Stage.DEDUP,
        key=sha256,
        params=params_for(config, frames_hash, filter_hash),
    )


def params_for(config: AppConfig, frames_hash: str, filter_hash: str) -> dict[str, object]:
    """Return what the result depends on; the size of batches is not among it."""
    chosen = config.dedup.model_dump(mode="json", exclude={"batch_size"})
    return {"frames": frames_hash, "filter": filter_hash, **chosen}


def run(job: Job) -> Outcome:
    """Compare the frames of one video that passed the filter.

    Raises:
        NotReadyError: the model is needed and can't be had now.
        RetryableError, PermanentError: there are no frames.
    """
    item, params = job.item, job.item.params
    frames_hash = params["frames"]
    limits = Limits(
        min_similarity=params["embedding_min_similarity"], max_distance=params["hash_max_distance"]
    )
    times_ms = job.findings.passed(item.key, params_hash=params["filter"])
    embeddings = _embeddings(job, item.key, frames_hash)
    vectors = embeddings.at(times_ms)
    frames = _measure(job, job.store.frames_path(item.key, frames_hash), times_ms)
    hashes = [frame.phash for frame in frames]
    repeats = repeats_within(vectors, hashes, limits)
    candidates = [row for row, repeated in enumerate(repeats) if repeated is None]
    catalogue = _catalogue(job, vectors.shape[1], limits)
    matches = catalogue.index.search(vectors[candidates], [hashes[row] for row in candidates])
    pairs = [
        Pair(
            time_ms=times_ms[candidates[match.new]],
            other_video=known.video,
            other_ms=known.time_ms,
            similarity=match.similarity,
            distance=match.distance,
        )
        for match in matches
        if (known := catalogue.rows[match.known]).video != item.key
    ]
    compared = FramesCompared(
        sha256=item.key,
        frames_hash=frames_hash,
        known=catalogue.last,
        frames=[
            Candidate(
                time_ms=frame.time_ms,
                phash=frame.phash,
                pixels=frame.pixels,
                size_bytes=frame.size_bytes,
                repeats_ms=None if repeated is None else times_ms[repeated],
            )
            for frame, repeated in zip(frames, repeats, strict=True)
        ],
        pairs=pairs,
        follow=partial(detect.item_for, job.config) if Stage.DETECT in job.config.stages else None,
    )
    return Outcome(
        result={
            "frames": len(frames),
            "candidates": len(candidates),
            "like_other_videos": len({pair.time_ms for pair in pairs}),
        },
        records=[compared],
    )


def _embeddings(job: Job, video: str, frames_hash: str) -> Embeddings:
    """Return the embeddings that the filter left, or another model's."""
    model, batch_size = job.item.params["model"], job.config.dedup.batch_size
    return frame_embeddings(job, video, frames_hash, model, batch_size=batch_size)


def _catalogue(job: Job, dimensions: int, limits: Limits) -> Catalogue:
    """Return what the worker knows of the item's scope, brought up to date. It holds one scope at a time."""
    scope = f"{job.item.project}/{job.item.params_hash}"
    known = job.memory.get("catalogue")
    if not isinstance(known, Catalogue) or known.scope != scope or known.index.dimensions != dimensions:
        known = Catalogue(scope=scope, index=Index(dimensions, limits))
    new = job.findings.candidates(job.item.params_hash, after=known.last - 1)
    if known.rows:
        if new[:1] == known.rows[-1:]:
            del new[0]
        else:  # The project was deleted and made again; numbers never come back.
            known = Catalogue(scope=scope, index=Index(dimensions, limits))
    job.memory["catalogue"] = known
    for (video, frames_hash), group in groupby(new, key=lambda row: (row.video, row.frames_hash)):
        rows = list(group)
        embeddings = _embeddings(job, video, frames_hash)
        known.index.add(embeddings.at([row.time_ms for row in rows]), [row.phash for row in rows])
        known.rows += rows
    return known


@dataclass(frozen=True, kw_only=True)
class _Measured:
    time_ms: int
    phash: int | None
    pixels: int
    size_bytes: int


def _measure(job: Job, directory: Path, times_ms: list[int]) -> list[_Measured]:
    measured = []
    for time_ms in times_ms:
        path = frame_path(directory, time_ms)
        image = read_frame(path)
        measured.append(
            _Measured(
                time_ms=time_ms,
                phash=perceptual_hash(image),
                pixels=image.width * image.height,
                size_bytes=path.stat().st_size,
            )
        )
        job.tick()
    return measured
